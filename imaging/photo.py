"""Photographs: JPEG, PNG, HEIC or WebP become a VL Photographic Image object (PS3.3 A.32.4), inside the sandbox.

An upright baseline JPEG keeps its scan data byte for byte. Anything else is decoded once, turned upright and stored
as JPEG of visually lossless quality, marked as derived. The colour profile and the time it was taken are kept; the
rest of the metadata, the place above all, is gone. No pixel spacing is given: a photograph has no scale.
"""

import datetime as dt
import warnings
from dataclasses import dataclass
from hashlib import sha256
from io import BytesIO
from typing import Any

import pi_heif
from PIL import Image, ImageOps, UnidentifiedImageError
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.filewriter import dcmwrite
from pydicom.uid import UID, JPEGBaseline8Bit, VLPhotographicImageStorage

from imaging import jpeg
from imaging.confined import Refused, Source
from imaging.dicom import LARGEST_IMAGE

PIXEL_LIMIT = LARGEST_IMAGE
FILE_LIMIT = 128 << 20
PROFILE_LIMIT = 1 << 20
QUALITY = 95
IMPLEMENTATION = UID("2.25.329800735698586629295641978511506172918")
"""Our implementation class UID: a UUID (PS3.5 B.2) of our own, the same for ever."""
_DATE_TAKEN, _OFFSET_TAKEN, _ORIENTATION, _EXIF = 0x9003, 0x9011, 0x0112, 0x8769
_FORMATS = {"jpeg": "JPEG", "png": "PNG", "heic": "HEIF", "webp": "WEBP"}
_FIRST_OF_SEVERAL = frozenset({"heic", "jpeg"})
"""Kinds of camera files that carry a preview or a depth map as further pictures: the first is the photograph."""
_FILLERS = bytes(range(1, 65)), bytes(range(251, 187, -1))
"""Two ways an unfinished scan might go on; neither holds a marker."""


@dataclass(frozen=True, slots=True)
class Made:
    """A picture as it will be stored: a JPEG stream and what is true of it."""

    stream: bytes
    rows: int
    columns: int
    grey: bool
    profile: bytes
    taken: dt.datetime | None
    derivation: str


def warm() -> None:
    """Load every decoder and encoder once, for a worker can open no file and start no thread."""
    Image.MAX_IMAGE_PIXELS = PIXEL_LIMIT
    warnings.simplefilter("error", Image.DecompressionBombWarning)
    pi_heif.register_heif_opener(decode_threads=1, thumbnails=False, depth_images=False, aux_images=False)
    dt.datetime.strptime("+08:00", "%z")
    Image.init()
    sample = Image.new("RGB", (16, 16))
    for name in ("JPEG", "PNG", "WEBP"):
        made = BytesIO()
        sample.save(made, name)
        Image.open(made, formats=[name]).load()
    _object(Made(jpeg.SOI + jpeg.EOI, 1, 1, False, b"", None, "x"), {"sop_instance_uid": "1.2"})


def make(source: Source, kind: str, about: dict[str, Any]) -> bytes:
    """The Part 10 file of a photograph of ``kind`` (jpeg, png, heic, webp). Raises Refused.

    ``about`` gives ``study_instance_uid``, ``series_instance_uid``, ``sop_instance_uid``, ``instance_number`` and
    ``received`` (date and time in the hospital's zone, ISO 8601).
    """
    return _object(_made(source, kind), about)


def plain(source: Source, kind: str) -> bytes:
    """A photograph of a sheet of paper as a JPEG that says nothing but its pixels, upright. Raises Refused."""
    return _made(source, kind).stream


def _made(source: Source, kind: str) -> Made:
    if source.size > FILE_LIMIT:
        raise Refused("too-large")
    data = source.at(0, source.size)
    try:
        if kind == "jpeg":
            data = _ended(data)
        with Image.open(BytesIO(data), formats=[_FORMATS[kind]]) as image:
            if image.width * image.height > PIXEL_LIMIT:
                raise Refused("bomb")
            if getattr(image, "is_animated", False) and kind not in _FIRST_OF_SEVERAL:
                raise Refused("animated")
            made = _keep(data, image) if kind == "jpeg" else None
            return made or _develop(image, kind)
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        raise Refused("bomb") from None
    except UnidentifiedImageError:
        raise Refused("unreadable") from None
    except OSError as error:
        raise Refused("truncated" if "truncated" in str(error) else "unreadable") from None


def _ended(data: bytes) -> bytes:
    """The file; a JPEG that lost its last bytes gets its end again if no pixel went with it. Raises Refused.

    A decoder makes up what a scan lacks. What it makes of two different continuations differs, unless nothing is lacking.
    """
    found = jpeg.strip(data)
    if found.ended:
        return data
    cut = found.data.removesuffix(jpeg.EOI)
    seen: set[bytes] = set()
    for filler in _FILLERS:
        with Image.open(BytesIO(cut + filler + jpeg.EOI), formats=["JPEG"]) as image:
            seen.add(sha256(image.tobytes()).digest())
    if len(seen) > 1:
        raise Refused("truncated")
    return data.rstrip(b"\xff") + jpeg.EOI


def _keep(data: bytes, image: Image.Image) -> Made | None:
    """An upright JPEG whose scan data may stay as it is; None when it has to be developed."""
    stripped = jpeg.strip(data)
    grey = len(stripped.components) == 1
    if not stripped.keeps_its_meaning or image.getexif().get(_ORIENTATION, 1) not in (0, 1):
        return None
    if (stripped.columns, stripped.rows) != image.size:
        raise Refused("inconsistent")
    with Image.open(BytesIO(stripped.data), formats=["JPEG"]) as check:
        check.draft("L", (check.width // 8, check.height // 8))
        check.load()
    profile = _profile(image, grey)
    return Made(stripped.data, stripped.rows, stripped.columns, grey, profile, _taken(image), "")


def _develop(image: Image.Image, kind: str) -> Made:
    taken = _taken(image)
    image.load()
    upright = ImageOps.exif_transpose(image)
    plain = _plain(upright)
    grey = plain.mode == "L"
    profile = _profile(image, grey) if image.mode in ("RGB", "RGBA", "L", "LA", "P") else b""
    made = BytesIO()
    plain.save(made, "JPEG", quality=QUALITY, subsampling=0, optimize=False, icc_profile=None, exif=b"", comment=b"")
    stripped = jpeg.strip(made.getvalue())
    derivation = f"{kind.upper()} decoded, turned upright, stored as JPEG quality {QUALITY}"
    return Made(stripped.data, plain.height, plain.width, grey, profile, taken, derivation)


def _plain(image: Image.Image) -> Image.Image:
    """8-bit grey or RGB; what is transparent lies on white."""
    if image.mode in ("RGB", "L"):
        return image
    if image.mode.startswith("I") or image.mode == "F":
        return image.point(lambda value: value / 256).convert("L")
    if image.mode == "1":
        return image.convert("L")
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
        ground = Image.new("RGB", image.size, (255, 255, 255))
        ground.paste(image, mask=image.getchannel("A"))
        return ground
    return image.convert("RGB")


def _profile(image: Image.Image, grey: bool) -> bytes:
    """The ICC profile if it is one for these pixels (ICC.1 §7.2: size, colour space, signature)."""
    profile = image.info.get("icc_profile") or b""
    fits = len(profile) >= 132 and int.from_bytes(profile[:4], "big") == len(profile) and profile[36:40] == b"acsp"
    return profile if fits and len(profile) <= PROFILE_LIMIT and profile[16:20] == (b"GRAY" if grey else b"RGB ") else b""


def _taken(image: Image.Image) -> dt.datetime | None:
    """When the camera says it was taken; aware when it names its offset."""
    exif = image.getexif().get_ifd(_EXIF)
    try:
        moment = dt.datetime.strptime(str(exif[_DATE_TAKEN])[:19], "%Y:%m:%d %H:%M:%S")  # noqa: DTZ007 - a camera's clock has no zone
        offset = dt.datetime.strptime(str(exif[_OFFSET_TAKEN]), "%z").tzinfo if _OFFSET_TAKEN in exif else None
    except (KeyError, ValueError):
        return None
    return moment.replace(tzinfo=offset) if 1990 <= moment.year < 2100 else None


def _object(made: Made, about: dict[str, Any]) -> bytes:
    """The object as a file: patient, study, series, equipment, image and VL image modules, identity left empty."""
    dataset = Dataset()
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.ImageType = ["DERIVED" if made.derivation else "ORIGINAL", "PRIMARY"]
    dataset.SOPClassUID = VLPhotographicImageStorage
    dataset.Modality = "XC"
    dataset.Manufacturer = ""
    for keyword in ("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "ReferringPhysicianName", "AccessionNumber"):
        setattr(dataset, keyword, "")
    dataset.StudyID = "1"
    dataset.SeriesNumber, dataset.Laterality, dataset.PatientOrientation = 1, "", ""
    dataset.AcquisitionContextSequence = []
    for keyword, attribute in _UIDS.items():
        setattr(dataset, attribute, about.get(keyword, ""))
    dataset.InstanceNumber = about.get("instance_number", 1)
    _times(dataset, made.taken, about)
    _pixels(dataset, made)
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = VLPhotographicImageStorage, dataset.SOPInstanceUID
    meta.TransferSyntaxUID = JPEGBaseline8Bit
    meta.ImplementationClassUID, meta.ImplementationVersionName = IMPLEMENTATION, "SHANHAI_1"
    dataset.file_meta = meta
    file = BytesIO()
    dcmwrite(file, dataset, enforce_file_format=True)
    return file.getvalue()


_UIDS = {"study_instance_uid": "StudyInstanceUID", "series_instance_uid": "SeriesInstanceUID", "sop_instance_uid": "SOPInstanceUID"}


def _times(dataset: Dataset, taken: dt.datetime | None, about: dict[str, Any]) -> None:
    received = dt.datetime.fromisoformat(about.get("received", "2000-01-01T00:00:00+00:00"))
    dataset.InstanceCreationDate, dataset.InstanceCreationTime = f"{received:%Y%m%d}", f"{received:%H%M%S}"
    study = dt.datetime.fromisoformat(about["studied"]) if "studied" in about else received
    dataset.StudyDate, dataset.StudyTime = f"{study:%Y%m%d}", f"{study:%H%M%S}"
    when = taken or received
    dataset.ContentDate, dataset.ContentTime = f"{when:%Y%m%d}", f"{when:%H%M%S}"
    if taken:
        dataset.AcquisitionDateTime = f"{taken:%Y%m%d%H%M%S%z}"


def _pixels(dataset: Dataset, made: Made) -> None:
    dataset.SamplesPerPixel = 1 if made.grey else 3
    dataset.PhotometricInterpretation = "MONOCHROME2" if made.grey else "YBR_FULL_422"  # the VL image module knows no other for JPEG
    if not made.grey:
        dataset.PlanarConfiguration = 0
    dataset.Rows, dataset.Columns = made.rows, made.columns
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 8, 8, 7, 0
    dataset.LossyImageCompression = "01"
    dataset.LossyImageCompressionRatio = f"{made.rows * made.columns * dataset.SamplesPerPixel / max(len(made.stream), 1):.2f}"
    dataset.LossyImageCompressionMethod = "ISO_10918_1"
    if made.derivation:
        dataset.DerivationDescription = made.derivation
    if made.profile:
        dataset.ICCProfile = made.profile + b"\x00" * (len(made.profile) % 2)
    dataset.PixelData = encapsulate([made.stream])
    dataset["PixelData"].VR = "OB"
    dataset["PixelData"].is_undefined_length = True
