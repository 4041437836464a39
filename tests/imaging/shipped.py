"""The test files that pydicom ships, opened by our own readers with an index made by pydicom: a second opinion."""

import warnings
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import pydicom
from pydicom.encaps import generate_fragmented_frames
from pydicom.filereader import read_file_meta_info

from imaging.bodies import Memory
from imaging.frameindex import FrameIndex
from imaging.frames import Frames, Layout

FOLDER = Path(pydicom.__file__).parent / "data" / "test_files"
ORGANISATION = UUID(int=7)

_NAMES = """
693_J2KI CT_small ExplVR_BigEnd J2K_pixelrep_mismatch JPEG2000 JPEGLSNearLossless_08 JPEGLSNearLossless_16 MR_small MR_small_RLE
MR_small_bigendian MR_small_expb MR_small_implicit MR_small_jp2klossless MR_small_jpeg_ls_lossless MR_small_padded
SC_jpeg_no_color_transform SC_jpeg_no_color_transform_2 SC_rgb_dcmtk_+eb+cr SC_rgb_dcmtk_+eb+cy+n1 SC_rgb_dcmtk_+eb+cy+n2
SC_rgb_dcmtk_+eb+cy+np SC_rgb_dcmtk_+eb+cy+s2 SC_rgb_dcmtk_+eb+cy+s4 SC_rgb_gdcm_KY SC_rgb_jls_lossy_line SC_rgb_jls_lossy_sample
SC_rgb_jpeg SC_rgb_jpeg_app14_dcmd SC_rgb_jpeg_dcmd SC_rgb_jpeg_dcmtk SC_rgb_jpeg_lossy_gdcm SC_rgb_rle SC_rgb_rle_16bit
SC_rgb_rle_16bit_2frame SC_rgb_rle_2frame SC_rgb_rle_32bit SC_rgb_rle_32bit_2frame SC_rgb_small_odd SC_rgb_small_odd_big_endian
SC_rgb_small_odd_jpeg SC_ybr_full_422_uncompressed examples_jpeg2k examples_overlay examples_palette examples_rgb_color
examples_ybr_color image_dfl liver_1frame liver_expb_1frame rtdose rtdose_1frame rtdose_expb rtdose_expb_1frame rtdose_rle
rtdose_rle_1frame
"""
PIXELS = _NAMES.split()
"""Everything pydicom can decode here as well, for comparison."""
ALONE = ["JPEG-lossy", "JPGExtended", "SC_rgb_jpeg_gdcm", "GDCMJ2K_TextGBR"]
"""What only we decode: pydicom has no decoder for these without further packages."""
COMPRESSED = [name for name in PIXELS if read_file_meta_info(FOLDER / f"{name}.dcm").TransferSyntaxUID.is_encapsulated]


@dataclass(frozen=True)
class Sample:
    data: bytes
    dataset: pydicom.FileDataset
    header: dict[str, Any]
    frames: Frames


def load(name: str) -> Sample:
    """One shipped file by its name without the ending."""
    data = (FOLDER / f"{name}.dcm").read_bytes()
    with warnings.catch_warnings(action="ignore"):  # some of them are odd on purpose
        dataset = pydicom.dcmread(FOLDER / f"{name}.dcm")
        header = dataset.to_json_dict(bulk_data_threshold=1 << 20, bulk_data_element_handler=lambda _: "bulk/0/0")
    uid = str(dataset.file_meta.TransferSyntaxUID)
    frames = Frames(Memory(data), index_of(dataset, data), Layout.of(header, uid), ORGANISATION)
    return Sample(data, dataset, header, frames)


def index_of(dataset: pydicom.FileDataset, data: bytes) -> FrameIndex:
    """Where the frames lie, as pydicom sees it."""
    count = int(dataset.get("NumberOfFrames") or 1)
    syntax = dataset.file_meta.TransferSyntaxUID
    if syntax.is_encapsulated:
        at, fragments = data.find(dataset.PixelData), []
        for frame in generate_fragmented_frames(dataset.PixelData, number_of_frames=count):
            ranges = []
            for fragment in frame:
                at = data.find(fragment, at)
                ranges.append((at, len(fragment)))
                at += len(fragment)
            fragments.append(tuple(ranges))
        return FrameIndex("encapsulated", frames=len(fragments), fragments=tuple(fragments))
    bits = dataset.Rows * dataset.Columns * dataset.SamplesPerPixel * dataset.BitsAllocated
    if dataset.PhotometricInterpretation == "YBR_FULL_422":
        bits = bits * 2 // 3
    deflated = syntax == pydicom.uid.DeflatedExplicitVRLittleEndian
    plain = zlib.decompress(data[144 + int.from_bytes(data[140:144], "little") :], -15) if deflated else data
    return FrameIndex("native", frames=count, offset=plain.find(dataset.PixelData), frame_bits=bits, deflated=deflated)
