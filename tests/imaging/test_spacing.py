"""Spacing: millimetres only where they are known, with their origin (PS3.3 §10.7)."""

from typing import Any

import pytest

from imaging import spacing
from imaging.attributes import tag, vr
from imaging.spacing import NONE, Spacing


def header(**named: Any) -> dict[str, Any]:
    return {tag(keyword): {"vr": vr(keyword), "Value": value if isinstance(value, list) else [value]} for keyword, value in named.items()}


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (header(Modality="CT", PixelSpacing=[0.2, 0.3]), Spacing(0.2, 0.3, "calibrated")),
        (header(Modality="CT"), NONE),
        (header(Modality="DX", ImagerPixelSpacing=[0.14, 0.14]), Spacing(0.14, 0.14, "detector")),
        (header(Modality="CR", PixelSpacing=[0.14, 0.14]), Spacing(0.14, 0.14, "detector")),
        (header(Modality="DX", ImagerPixelSpacing=[0.14, 0.14], PixelSpacing=[0.14, 0.14]), Spacing(0.14, 0.14, "detector")),
        (header(Modality="DX", ImagerPixelSpacing=[0.14, 0.14], PixelSpacing=[0.12, 0.12]), Spacing(0.12, 0.12, "calibrated")),
        (header(Modality="CR", PixelSpacing=[0.12, 0.12], PixelSpacingCalibrationType="FIDUCIAL"), Spacing(0.12, 0.12, "calibrated")),
        (header(Modality="CR", PixelSpacing=[0.12, 0.12], PixelSpacingCalibrationType="A GUESS"), Spacing(0.12, 0.12, "detector")),
        (header(Modality="XC", PixelSpacing=[1, 1]), NONE),
        (header(Modality="OT", PixelSpacing=[0.1, 0.1]), NONE),
        (header(Modality="DX", NominalScannedPixelSpacing=[0.1, 0.1]), NONE),
        (header(Modality="CT", PixelSpacing=[0, 0.3]), NONE),
        (header(Modality="CT", PixelSpacing=[0.3]), NONE),
        (header(Modality="CT", PixelSpacing=[-1, 0.3]), NONE),
        (header(Modality="CT", PixelSpacing=["a", "b"]), NONE),
        (header(PixelSpacing=[0.2, 0.3]), NONE),
        ({}, NONE),
    ],
)
def test_spacing_is_that_of_the_standard_or_none(found: dict[str, Any], expected: Spacing) -> None:
    assert spacing.of(found) == expected


def test_an_enhanced_picture_has_it_in_its_functional_groups() -> None:
    groups = [{tag("PixelMeasuresSequence"): {"vr": "SQ", "Value": [header(PixelSpacing=[0.5, size])]}} for size in (0.5, 0.6)]
    found = header(Modality="CT", PerFrameFunctionalGroupsSequence=groups)
    assert spacing.of(found, 1) == Spacing(0.5, 0.6, "calibrated")
