"""Files as hospitals, phones and attackers send them, made in memory."""

import struct
import warnings
import zlib
from io import BytesIO
from typing import Any

import numpy as np
import pillow_heif
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.filewriter import dcmwrite
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, JPEGBaseline8Bit, generate_uid

EXPLICIT = ExplicitVRLittleEndian
DEFLATED = "1.2.840.10008.1.2.1.99"


def dicom(*, syntax: str = EXPLICIT, preamble: bytes = bytes(128), frames: list[bytes] | None = None, **attributes: Any) -> bytes:
    """A small CT slice, as a Part 10 file; ``attributes`` replace its own, None leaves one out."""
    values = {
        "SpecificCharacterSet": "ISO_IR 192",
        "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"],
        "SOPClassUID": CTImageStorage,
        "SOPInstanceUID": generate_uid(),
        "StudyInstanceUID": generate_uid(),
        "SeriesInstanceUID": generate_uid(),
        "StudyDate": "20261120",
        "StudyTime": "101500",
        "Modality": "CT",
        "PatientName": "WANG^LEI",
        "PatientID": "0010234",
        "PatientBirthDate": "19870203",
        "PatientSex": "M",
        "SeriesNumber": 2,
        "InstanceNumber": 7,
        "AcquisitionDate": "20261120",
        "AcquisitionTime": "101622.5",
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "Rows": 16,
        "Columns": 8,
        "BitsAllocated": 16,
        "BitsStored": 12,
        "HighBit": 11,
        "PixelRepresentation": 0,
        "PixelData": np.arange(128, dtype="<u2").tobytes(),
        **attributes,
    }
    with warnings.catch_warnings(action="ignore"):  # some are meant to be wrong
        return _written(values, syntax, preamble, frames)


def _written(values: dict[str, Any], syntax: str, preamble: bytes, frames: list[bytes] | None) -> bytes:
    made = Dataset()
    for keyword, value in values.items():
        if value is not None:
            setattr(made, keyword, value)
    if frames is not None:
        made.PixelData = encapsulate(frames)
        made["PixelData"].is_undefined_length = True
    if "PixelData" in made:
        made["PixelData"].VR = "OB" if frames is not None else "OW"
    made.file_meta = FileMetaDataset()
    made.file_meta.MediaStorageSOPClassUID = made.SOPClassUID
    made.file_meta.MediaStorageSOPInstanceUID = made.get("SOPInstanceUID", "1.2.3")
    made.file_meta.TransferSyntaxUID = syntax
    made.preamble = preamble
    file = BytesIO()
    dcmwrite(file, made, enforce_file_format=True, implicit_vr=False, little_endian=True)
    return file.getvalue()


def dicomdir(*file_id: str) -> bytes:
    """A medium's table of contents that points at ``file_id``."""
    record = Dataset()
    with warnings.catch_warnings(action="ignore"):
        record.DirectoryRecordType, record.ReferencedFileID = "IMAGE", list(file_id)
    return dicom(SOPClassUID="1.2.840.10008.1.3.10", DirectoryRecordSequence=[record], PixelData=None)


def jpeg_frames(count: int) -> bytes:
    """A multi-frame JPEG object of 16 × 16 pixels."""
    return dicom(
        syntax=JPEGBaseline8Bit,
        frames=[photo(size=(16, 16), colour=number) for number in range(count)],
        NumberOfFrames=count,
        Rows=16,
        Columns=16,
        BitsAllocated=8,
        BitsStored=8,
        HighBit=7,
        SamplesPerPixel=3,
        PlanarConfiguration=0,
        PhotometricInterpretation="YBR_FULL_422",
    )


def encapsulated(frames: list[bytes], *, table: str, fragments: int) -> bytes:
    """The same with each frame in ``fragments`` pieces and an offset table: basic, none, extended, or a wrong one."""
    items = b""
    starts, lengths = [], []
    for frame in frames:
        frame += b"\0" * (len(frame) % 2)
        step = (len(frame) // fragments + 1) // 2 * 2
        starts.append(len(items))
        for number in range(fragments):
            piece = frame[number * step : (number + 1) * step if number < fragments - 1 else None]
            items += b"\xfe\xff\x00\xe0" + struct.pack("<I", len(piece)) + piece
        lengths.append(len(items) - starts[-1] - 8 * fragments)
    offsets = [start + 2 for start in starts] if table == "wrong" else starts
    basic = struct.pack(f"<{len(frames)}I", *offsets) if table in ("basic", "wrong") else b""
    pixels = b"\xfe\xff\x00\xe0" + struct.pack("<I", len(basic)) + basic + items + b"\xfe\xff\xdd\xe0\0\0\0\0"
    file = jpeg_frames(len(frames))
    at = file.index(struct.pack("<HH", 0x7FE0, 0x0010) + b"OB")
    extended = b""
    if table == "extended":
        for number, values in ((1, starts), (2, lengths)):
            extended += struct.pack("<HH2sHI", 0x7FE0, number, b"OV", 0, 8 * len(values)) + struct.pack(f"<{len(values)}Q", *values)
    return file[:at] + extended + file[at : at + 12] + pixels


def picture(size: tuple[int, int] = (64, 48), colour: int = 0) -> Image.Image:
    """Something with an upper left corner: a white square on a slope of colours."""
    width, height = size
    y, x = np.mgrid[0:height, 0:width]
    pixels = np.stack([x * 255 // width, y * 255 // height, np.full_like(x, colour % 256)], -1).astype("uint8")
    pixels[: height // 4, : width // 4] = 255
    return Image.fromarray(pixels)


def exif(
    *, orientation: int = 1, taken: str | None = "2026:11:20 08:30:15", offset: str | None = "+06:00", secret: str = "43.79N 87.61E"
) -> Image.Exif:
    """What a phone writes, the place included."""
    made = Image.Exif()
    made[0x0112] = orientation
    made[0x010E] = secret
    made.get_ifd(0x8825).update({1: "N", 2: (43.0, 47.0, 0.0), 3: "E", 4: (87.0, 36.0, 0.0)})
    if taken:
        made.get_ifd(0x8769)[0x9003] = taken
    if offset:
        made.get_ifd(0x8769)[0x9011] = offset
    return made


def photo(kind: str = "JPEG", *, size: tuple[int, int] = (64, 48), colour: int = 0, **more: Any) -> bytes:
    """A photograph as a file of the kind Pillow calls it by."""
    made = picture(size, colour)
    if kind == "HEIF":
        pillow_heif.register_heif_opener()
        more |= {"exif": more["exif"].tobytes()} if "exif" in more else {}  # as bytes it also writes the rotation box
    file = BytesIO()
    made.save(file, kind, **more)
    return file.getvalue()


def png_bomb(side: int = 12_000) -> bytes:
    """A picture of side² black pixels in a few hundred kilobytes."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    packer = zlib.compressobj(9)
    rows = b"".join(packer.compress(bytes(1 + side)) for _ in range(side)) + packer.flush()
    head = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def deflated_bomb(megabytes: int = 400) -> bytes:
    """A deflated data set that is nearly nothing until it is inflated."""
    head = dicom(syntax=EXPLICIT)
    start = head.index(b"\x08\x00\x05\x00CS")
    meta = head[:start].replace(b"1.2.840.10008.1.2.1\x00", b"1.2.840.10008.1.2.1.99")
    meta = meta.replace(
        struct.pack("<HH", 2, 0x10) + b"UI" + struct.pack("<H", 20), struct.pack("<HH", 2, 0x10) + b"UI" + struct.pack("<H", 22)
    )
    packer = zlib.compressobj(9, wbits=-15)
    body = packer.compress(head[start:])
    body += packer.compress(struct.pack("<HH2sHI", 0x7FE1, 0x0010, b"OB", 0, megabytes << 20))
    for _ in range(megabytes):
        body += packer.compress(bytes(1 << 20))
    return meta + body + packer.flush()


def nested(depth: int, *, defined: bool) -> bytes:
    """A data set whose sequences lie ``depth`` deep in one another, of defined or undefined length."""
    tag = struct.pack("<HH", 0x0008, 0x1140)
    inner = b""
    for _ in range(depth):
        if defined:
            item = b"\xfe\xff\x00\xe0" + struct.pack("<I", len(inner)) + inner
            inner = tag + b"SQ\0\0" + struct.pack("<I", len(item)) + item
        else:
            item = b"\xfe\xff\x00\xe0\xff\xff\xff\xff" + inner + b"\xfe\xff\x0d\xe0\0\0\0\0"
            inner = tag + b"SQ\0\0\xff\xff\xff\xff" + item + b"\xfe\xff\xdd\xe0\0\0\0\0"
    file = dicom()
    at = file.index(struct.pack("<HH", 0x0010, 0x0010) + b"PN")
    return file[:at] + inner + file[at:]
