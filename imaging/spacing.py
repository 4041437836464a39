"""Spacing: how large a pixel is, and how that is known. Without a known origin there are no millimetres.

PixelSpacing alone is at the patient for cross-sections; on a projection it may as well be copied from the detector,
unless it differs from ImagerPixelSpacing or says how it was calibrated (PS3.3 §10.7.1.3). ImagerPixelSpacing is at
the detector, where everything is larger than life. A photograph has no scale until somebody lays a ruler in it.
"""

from dataclasses import dataclass
from typing import Literal

from imaging import attributes
from imaging.attributes import Attributes

Origin = Literal["calibrated", "detector", "none"]
_CROSS_SECTIONS = frozenset({"CT", "MR", "PT", "NM"})
_PROJECTIONS = frozenset({"CR", "DX", "MG", "RF", "XA", "PX", "IO", "RG", "RTIMAGE"})
_LARGEST_MM = 100.0


@dataclass(frozen=True, slots=True)
class Spacing:
    """Distance between the centres of rows and of columns in mm, and where it holds; both None when not known."""

    row_mm: float | None
    column_mm: float | None
    origin: Origin


NONE = Spacing(None, None, "none")


def of(header: Attributes, frame: int = 0) -> Spacing:
    """The spacing of a frame counted from 0, from the header of its instance."""
    modality = attributes.text(header, "Modality")
    at_patient = _pair(attributes.functional(header, "PixelMeasuresSequence", frame) or header, "PixelSpacing") or _pair(
        header, "PixelSpacing"
    )
    at_detector = _pair(header, "ImagerPixelSpacing")
    if modality in _CROSS_SECTIONS:
        return Spacing(*at_patient, "calibrated") if at_patient else NONE
    if modality not in _PROJECTIONS:
        return NONE
    calibrated = attributes.text(header, "PixelSpacingCalibrationType") in ("GEOMETRY", "FIDUCIAL")
    if at_patient and (calibrated or (at_detector and not _alike(at_patient, at_detector))):
        return Spacing(*at_patient, "calibrated")
    known = at_detector or at_patient
    return Spacing(*known, "detector") if known else NONE


def _pair(header: Attributes, keyword: str) -> tuple[float, float] | None:
    row, column = attributes.number(header, keyword, 0), attributes.number(header, keyword, 1)
    if row is None or column is None or not (0 < row <= _LARGEST_MM and 0 < column <= _LARGEST_MM):
        return None
    return row, column


def _alike(one: tuple[float, float], other: tuple[float, float]) -> bool:
    return all(abs(a - b) <= 1e-4 * max(a, b) for a, b in zip(one, other, strict=True))
