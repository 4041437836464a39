"""Radiographs and CT of the phantom, as DICOM a hospital would send.

A radiograph is the thickness of bone and soft tissue along the beam (Beer–Lambert), 12 bit,
2500×2048 at 0.1 mm; a forearm CT is stacked ellipses in Hounsfield units. Attributes follow the DX
and CT IODs (PS3.3 A.26, A.3).
"""

import datetime as dt
import io
import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian, generate_uid

from imaging.phantoms.hand import CARPALS, Bone, Field, Hand, Plane, Point, local, noise, on_bone, past_cut, plane, skeleton

FILM = (2500, 2048)
FILM_MM = 0.1
_SOFT, _BONE, _SPONGY, _STEEL = 0.020, 0.20, 0.075, 2.2  # attenuation per mm at about 55 kV, rounded


@dataclass(frozen=True)
class Subject:
    """The fictitious person a film names."""

    name: str
    patient_id: str
    birth_date: dt.date
    sex: str
    accession_number: str = ""
    institution: str = ""


def _film(hand: Hand, shape: tuple[int, int], view: str) -> Plane:
    return plane(shape, (6.0, 84.0), FILM_MM * FILM[0] / shape[0], hand.side, 0.66 if view == "oblique" else 1.0)


def pixel(hand: Hand, bone: str, fraction: float) -> Point:
    """Column and row of a point on a bone of the PA film."""
    return _film(hand, FILM, "PA").pixel(on_bone(hand, bone, fraction))


def radiograph(hand: Hand, shape: tuple[int, int] = FILM, view: str = "PA") -> NDArray[np.uint16]:
    """A 12-bit film of the hand, air dark (MONOCHROME2); rows × columns at 0.1 mm when 2500×2048."""
    mm = FILM_MM * FILM[0] / shape[0]
    film = _film(hand, shape, view)
    ragged = noise(shape, max(int(1.6 / mm), 2), hand.seed + 7) * 0.7
    grain = noise(shape, max(int(0.5 / mm), 2), hand.seed + 3)
    depth = soft_tissue(hand, film, ragged) * _SOFT * (1 + 0.05 * noise(shape, max(int(5 / mm), 2), hand.seed + 9))
    for bone in skeleton(hand.spread):
        _add_bone(depth, hand, bone, film, grain, ragged)
    for _name, centre, axes, turn in CARPALS:
        _add_carpal(depth, centre, axes, math.radians(turn), film, grain)
    for name in hand.wires:
        bone = next(b for b in skeleton(hand.spread) if b.name == name)
        u, v = local(bone, *film.mesh())
        wire = (np.abs(v - (u - bone.length / 2) * 0.12) < 0.55) & (u > -bone.length * 0.55) & (u < bone.length * 1.25)
        depth += wire * 0.9 * _STEEL
    depth += _marker(shape, hand.side, mm) * 1.6
    rng = np.random.default_rng(hand.seed)
    transmitted = np.exp(-depth) * (1 + 0.06 * noise(shape, shape[0] // 3, 5))
    quanta = transmitted + rng.standard_normal(shape, dtype=np.float32) * 0.006 * np.sqrt(np.clip(transmitted, 0.02, 1))
    value = 180 - np.log(np.clip(quanta, 0.004, 1.3)) / 3.6 * 3500
    return np.asarray(np.clip(value, 0, 4095), dtype=np.uint16)


_GIRTH = {"thumb": 11.0, "index": 9.4, "middle": 9.8, "ring": 9.2, "little": 8.0}
_PALM: tuple[tuple[Point, Point, float, float], ...] = (
    ((0.0, 30.0), (6.0, 84.0), 25.0, 16.0),
    ((-8.0, 26.0), (-17.0, 72.0), 19.0, 14.0),
    ((10.0, 24.0), (16.0, 84.0), 18.0, 13.0),
    ((20.0, 14.0), (36.0, 44.0), 17.0, 13.0),
    ((0.0, -110.0), (0.0, 16.0), 29.0, 25.0),
)


def soft_tissue(hand: Hand, film: Plane, ragged: Field, *, part: bool = False) -> Field:
    """Height of the soft tissue in mm at each point: fingers, palm, thenar and wrist, melted together.

    With ``part`` only what was severed is left.
    """
    total = np.zeros(film.shape, dtype=np.float32)

    def add(p0: Point, p1: Point, r0: float, r1: float, bone: Bone | None = None) -> None:
        box = film.near(p0, p1, max(r0, r1))
        axis = Bone("", p0, p1, 1, 1, 1, 1)
        u, v = local(axis, *film.mesh(box))
        radius = r0 + (r1 - r0) * np.clip(u / axis.length, 0, 1)
        over = np.clip(u - axis.length, 0, None) + np.clip(-u, 0, None)
        height = np.sqrt(np.clip(1 - (v**2 + over**2) / radius**2, 0, None)) * radius
        gone = None if bone is None else past_cut(hand, bone, u, v, ragged[box])
        if part:
            height = np.zeros_like(height) if gone is None else np.where(gone, height, 0)
        elif gone is not None:
            height = np.where(gone, 0, height)
        total[box] += height**5

    for digit, girth in _GIRTH.items():
        for order, bone in enumerate(b for b in skeleton(hand.spread) if b.name.startswith(digit + "-")):
            wide = girth * (1.16 if order == 0 else 1.06 - 0.07 * order)
            add(bone.base, bone.head, wide, wide * (0.84 if bone.name.endswith("distal") else 0.95), bone)
    for p0, p1, r0, r1 in () if part else _PALM:
        add(p0, p1, r0, r1)
    return total**0.2 * 1.15


def _add_bone(depth: Field, hand: Hand, bone: Bone, film: Plane, grain: Field, ragged: Field) -> None:
    box = film.near(bone.base, bone.head, max(bone.base_width, bone.head_width) + 1)
    u, v = local(bone, *film.mesh(box))
    length, t = bone.length, np.clip(u / bone.length, 0, 1)
    half = (
        bone.shaft
        + (bone.base_width - bone.shaft) * np.exp(-((t / 0.20) ** 2))
        + (bone.head_width - bone.shaft) * np.exp(-(((1 - t) / 0.17) ** 2))
    )
    cap = min(bone.base_width, bone.head_width) * 0.62
    end = np.clip(np.minimum(u, length - u) / cap, 0, 1)
    half = half * np.sqrt(np.clip(1 - (1 - end) ** 2.2, 0, None))
    cortex = np.clip(bone.cortex * (0.35 + 0.9 * np.sin(np.pi * t)), 0.45, None)
    outer = np.sqrt(np.clip(half**2 - v**2, 0, None))
    inner = np.sqrt(np.clip((half - cortex) ** 2 - v**2, 0, None)) * (half > cortex)
    ends = np.exp(-((t / 0.22) ** 2)) + np.exp(-(((1 - t) / 0.2) ** 2))
    spongy = 2 * inner * _SPONGY * (0.28 + 0.42 * ends) * (1 + 0.16 * grain[box])
    shadow = 2 * (outer - inner) * _BONE * 0.55 + spongy
    gone = past_cut(hand, bone, u, v, ragged[box])
    if gone is not None:
        shadow = np.where(gone, 0, shadow)
    for fracture in hand.fractures:
        if fracture.bone == bone.name:
            line = u - (length * fracture.fraction + v * math.tan(math.radians(fracture.tilt)) + ragged[box] * 1.3)
            overlap = np.exp(-(((line - 1.5) / 0.7) ** 2)) * (outer > 0) * 0.12
            shadow = shadow * (1 - 0.82 * np.exp(-((line / 0.8) ** 2))) + overlap
    depth[box] += shadow


def _add_carpal(depth: Field, centre: Point, axes: Point, turn: float, film: Plane, grain: Field) -> None:
    box = film.near(centre, centre, max(axes) + 1)
    x, y = film.mesh(box)
    dx, dy = x - centre[0], y - centre[1]
    across = (dx * math.cos(turn) - dy * math.sin(turn)) / axes[0]
    along = (dx * math.sin(turn) + dy * math.cos(turn)) / axes[1]
    away = (np.abs(across) ** 2.5 + np.abs(along) ** 2.5) ** 0.4
    rim = np.where(away < 1, np.exp(-((away - 0.93) ** 2) / 0.004), 0) * 0.16
    depth[box] += np.sqrt(np.clip(1 - away**2, 0, None)) * min(axes) * 2.2 * _SPONGY * (1 + 0.12 * grain[box]) + rim


def _marker(shape: tuple[int, int], side: str, mm: float) -> Field:
    """The lead letter of the side, drawn from strokes, at the ulnar edge of the film."""
    left: list[Point] = [(0, 10), (0, 0), (6, 0)]
    right: list[Point] = [(0, 0), (0, 10), (5, 10), (6, 8), (5, 5.4), (0, 5.4), (2.5, 5.4), (6.4, 0)]
    strokes = list(pairwise(left if side == "left" else right))
    rows, columns = shape
    x = np.arange(columns, dtype=np.float32)[None, :] * mm - (12 if side == "right" else columns * mm - 20)
    y = (rows * 0.93 - np.arange(rows, dtype=np.float32))[:, None] * mm
    lead = np.zeros(shape, dtype=np.float32)
    for (x0, y0), (x1, y1) in strokes:
        length2 = (x1 - x0) ** 2 + (y1 - y0) ** 2
        t = np.clip(((x - x0) * (x1 - x0) + (y - y0) * (y1 - y0)) / length2, 0, 1)
        away = np.hypot(x - (x0 + t * (x1 - x0)), y - (y0 + t * (y1 - y0)))
        lead = np.maximum(lead, np.clip(1.4 - away, 0, 0.6) / 0.6)
    return lead


def forearm_slice(index: int, slices: int, seed: int = 1) -> NDArray[np.int16]:
    """One 512×512 axial slice in Hounsfield units: skin, fat, muscle, vessels, radius and ulna.

    The radius is broken obliquely in the middle third and stepped by 4 mm.
    """
    size, mm = 512, 0.21
    axis = (np.arange(size, dtype=np.float32) - size / 2) * mm
    x, y = np.meshgrid(axis, axis)
    along = index / max(slices - 1, 1)
    wide, high = 46 - 12 * along, 34 - 8 * along
    grain = noise((size, size), 3, seed * 1000 + index)
    body = (x / wide) ** 2 + (y / high) ** 2
    hu = np.where(body < 1, -95.0 + 12 * grain, -1000.0)
    skin = (body < 1) & (body > 0.955)
    hu = np.where(skin, 40, hu)
    for cx, cy, rx, ry in ((-18, -8, 21, 15), (16, -10, 20, 15), (0, 12, 27, 15), (-24, 6, 13, 12), (24, 6, 13, 12)):
        shrink = 1 - 0.22 * along
        inside = ((x - cx * shrink) / (rx * shrink)) ** 2 + ((y - cy * shrink) / (ry * shrink)) ** 2 < 1
        hu = np.where(inside & (body < 0.93), 55 + 14 * grain, hu)
    for vx, vy in ((-9, -14), (11, -13), (1, -3)):
        hu = np.where(np.hypot(x - vx, y - vy) < 1.6, 150, hu)
    step = 4.0 * float(np.clip((along - 0.47) / 0.05, 0, 1))
    for bx, by, radius, broken in ((-16.0, 2.0, 7.4 + 2.6 * along, True), (17.0, 4.0, 7.0 - 1.2 * along, False)):
        shift = step if broken else 0.0
        away = np.hypot((x - bx - shift) / 1.08, y - by - shift * 0.6)
        line = along - 0.5 - (x - bx) * 0.004 + 0.006 * grain
        opening = broken & (np.abs(line) < 0.012)
        bone = np.where(away < radius - 2.4, 120 + 30 * grain, 1350 + 60 * grain)
        hu = np.where((away < radius) & ~opening, bone, np.where((away < radius) & opening, 65, hu))
    rng = np.random.default_rng(seed * 7919 + index)
    hu = hu + rng.normal(0, 14, hu.shape)
    return np.clip(hu, -1024, 3071).astype(np.int16)


def radiograph_dicom(
    hand: Hand,
    subject: Subject,
    taken: dt.datetime,
    *,
    study_uid: str,
    series_uid: str,
    number: int = 1,
    view: str = "PA",
    shape: tuple[int, int] = FILM,
) -> bytes:
    """The film as a DX image for presentation (PS3.3 A.26), explicit VR little endian, Part 10 bytes."""
    pixels = radiograph(hand, shape, view)
    ds = _common(subject, taken, study_uid, series_uid, str(DigitalXRayImageStorageForPresentation), number)
    ds.Modality, ds.BodyPartExamined, ds.ImageLaterality = "DX", "HAND", hand.side[0].upper()
    ds.StudyDescription, ds.SeriesDescription = "HAND " + hand.side.upper(), f"{view} {hand.side}"
    ds.ViewPosition, ds.PresentationIntentType = ("PA" if view == "PA" else ""), "FOR PRESENTATION"
    ds.ImageType = ["ORIGINAL", "PRIMARY", ""]
    ds.ImagerPixelSpacing = [FILM_MM * FILM[0] / shape[0]] * 2
    ds.PixelIntensityRelationship, ds.PixelIntensityRelationshipSign = "LOG", -1
    ds.WindowCenter, ds.WindowWidth = 1300, 2300
    ds.RescaleIntercept, ds.RescaleSlope, ds.RescaleType = 0, 1, "US"
    ds.BurnedInAnnotation, ds.LossyImageCompression = "NO", "00"
    ds.PresentationLUTShape, ds.DetectorType, ds.PositionerType = "IDENTITY", "DIRECT", ""
    ds.PatientOrientation = ["R", "F"] if hand.side == "left" else ["L", "F"]
    ds.AnatomicRegionSequence, ds.AcquisitionContextSequence = [_code("85562004", "SCT", "Hand")], []
    return _pixels(ds, pixels, bits_stored=12, signed=False)


def forearm_ct_dicom(
    subject: Subject, taken: dt.datetime, *, study_uid: str, series_uid: str, slices: int, index: int, side: str = "left", seed: int = 1
) -> bytes:
    """Slice ``index`` of a forearm CT (PS3.3 A.3), 1 mm apart, 0.21 mm pixels, Part 10 bytes."""
    pixels = forearm_slice(index, slices, seed) + 1024
    ds = _common(subject, taken, study_uid, series_uid, str(CTImageStorage), index + 1)
    ds.Modality, ds.BodyPartExamined, ds.Laterality = "CT", "ARM", side[0].upper()
    ds.StudyDescription, ds.SeriesDescription = "CT FOREARM " + side.upper(), "BONE 1.0"
    ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    ds.FrameOfReferenceUID, ds.PositionReferenceIndicator = series_uid + ".1", ""
    ds.ImagePositionPatient, ds.ImageOrientationPatient = [-53.8, -53.8, float(index)], [1, 0, 0, 0, 1, 0]
    ds.PixelSpacing, ds.SliceThickness, ds.SliceLocation = [0.21, 0.21], 1.0, float(index)
    ds.PatientPosition, ds.AcquisitionNumber = "HFS", 1
    ds.KVP, ds.RescaleIntercept, ds.RescaleSlope, ds.RescaleType = 120, -1024, 1, "HU"
    ds.WindowCenter, ds.WindowWidth = [400, 40], [1800, 350]
    ds.WindowCenterWidthExplanation = ["BONE", "SOFT TISSUE"]
    return _pixels(ds, pixels.astype(np.uint16), bits_stored=12, signed=False)


def _common(subject: Subject, taken: dt.datetime, study_uid: str, series_uid: str, sop_class: str, number: int) -> Dataset:
    ds = Dataset()
    ds.SpecificCharacterSet = "ISO_IR 192"
    ds.SOPClassUID, ds.SOPInstanceUID = sop_class, generate_uid(entropy_srcs=[series_uid, str(number)])
    ds.StudyInstanceUID, ds.SeriesInstanceUID = study_uid, series_uid
    ds.PatientName, ds.PatientID, ds.PatientSex = subject.name, subject.patient_id, subject.sex
    ds.PatientBirthDate = subject.birth_date.strftime("%Y%m%d")
    ds.StudyDate = ds.SeriesDate = ds.AcquisitionDate = ds.ContentDate = taken.strftime("%Y%m%d")
    ds.StudyTime = ds.SeriesTime = ds.AcquisitionTime = ds.ContentTime = taken.strftime("%H%M%S")
    ds.TimezoneOffsetFromUTC = taken.strftime("%z") or "+0000"
    ds.AccessionNumber, ds.ReferringPhysicianName, ds.StudyID = subject.accession_number, "", "1"
    ds.InstitutionName, ds.Manufacturer = subject.institution, "Shanhai phantom"
    ds.SeriesNumber, ds.InstanceNumber = 1, number
    return ds


def _code(value: str, scheme: str, meaning: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item


def _pixels(ds: Dataset, pixels: NDArray[np.uint16], *, bits_stored: int, signed: bool) -> bytes:
    ds.Rows, ds.Columns = pixels.shape
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, bits_stored, bits_stored - 1, int(signed)
    ds.PixelData = pixels.tobytes()
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = ds.SOPClassUID, ds.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.file_meta = meta
    out = io.BytesIO()
    ds.save_as(out, enforce_file_format=True)
    return out.getvalue()
