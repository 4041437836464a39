"""Examined: what the sandbox said about a file, checked before anybody believes it.

The worker that read the file may have been taken over by it. So every value has to be of its type and within its
bounds here, and codes that go into the tables in the clear have to look like codes.
"""

import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from core.errors import Damaged
from imaging import patients
from imaging.bodies import Readable
from imaging.frameindex import FrameIndex
from imaging.patients import Identity
from imaging.sandbox import Pool, Refused
from imaging.studies import Kind

TASK = "examine.examine"
SHEET = "examine.sheet"

_UID = Annotated[str, StringConstraints(pattern=r"^[0-9][0-9.]{0,63}$")]
_SHORT = Annotated[str, StringConstraints(max_length=1_024)]
_NUMBER = Annotated[int, Field(ge=-(1 << 31), lt=1 << 31)]
_SIZE = Annotated[int, Field(ge=0, le=0xFFFF)]
_CODE = re.compile(r"[A-Z0-9][A-Z0-9_ ]{0,15}")
_TIME = re.compile(r"(\d{2})(\d{2})?(\d{2})?(?:\.(\d{1,6}))?([+-]\d{4})?")


class Summary(BaseModel):
    """What goes into the tables, and what files are compared by."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    sop_class_uid: _UID
    sop_instance_uid: _UID
    study_instance_uid: _UID
    series_instance_uid: _UID
    transfer_syntax_uid: _UID
    modality: _SHORT
    series_number: _NUMBER | None
    instance_number: _NUMBER | None
    rows: _SIZE
    columns: _SIZE
    number_of_frames: _NUMBER
    bits_allocated: _SIZE
    samples_per_pixel: _SIZE
    photometric_interpretation: _SHORT
    laterality: _SHORT = ""
    kind: Kind
    study_date: _SHORT
    captured: Annotated[list[_SHORT], Field(max_length=2)]
    time_zone_offset: _SHORT
    accession_number: _SHORT
    patient_id: _SHORT
    patient_names: Annotated[list[_SHORT], Field(max_length=3)]
    patient_birth_date: _SHORT
    patient_sex: _SHORT

    @property
    def identity(self) -> Identity:
        """Whom the file names."""
        return Identity(tuple(self.patient_names), self.patient_id, self.patient_birth_date, self.patient_sex)

    @property
    def plain_modality(self) -> str:
        """The modality as a code; OT when it is none (PS3.3 C.7.3.1.1.1)."""
        return self.modality if _CODE.fullmatch(self.modality) else "OT"

    @property
    def plain_photometric_interpretation(self) -> str:
        """The photometric interpretation as a code; "" when it is none."""
        return self.photometric_interpretation if _CODE.fullmatch(self.photometric_interpretation) else ""

    @property
    def side(self) -> str | None:
        """``R`` or ``L`` where the picture says it shows one side alone (PS3.3 C.7.3.1.1.2, C.7.6.1.1.1); of an image before its series."""
        return self.laterality if self.laterality in ("R", "L") else None

    def captured_at(self, time_zone: str) -> dt.datetime | None:
        """When the picture was taken; a file that names no offset was made on the clock of ``time_zone``."""
        day = patients.date(self.captured[0]) if self.captured else None
        clock = _TIME.match(self.captured[-1].replace(":", "")) if len(self.captured) == 2 else None
        if day is None:
            return None
        hour, minute, second, fraction, offset = clock.groups() if clock else ("0", None, None, None, None)
        try:
            moment = dt.time(int(hour), int(minute or 0), int(second or 0), int((fraction or "0").ljust(6, "0")))
            zone = _zone(offset or self.time_zone_offset) or ZoneInfo(time_zone)
            return dt.datetime.combine(day, moment, zone).astimezone(dt.UTC)
        except (ValueError, OverflowError):
            return None


@dataclass(frozen=True, slots=True)
class Examined:
    """A file that may be filed: its summary, the DICOM JSON of instance, study and series, and its frame index.

    ``made`` is the object made of a photograph; None when the file is DICOM and kept as it is.
    """

    summary: Summary
    header: bytes
    study_header: bytes
    series_header: bytes
    frame_index: bytes
    made: bytes | None


def examine(pool: Pool, file: Readable, about: Mapping[str, Any] | None, *, organisation_id: UUID) -> Examined:
    """Have a file examined in the sandbox. ``about`` is what ``photo.make`` needs; None: DICOM alone. Raises Refused.

    A worker may die of what is not the file's doing, so one that died is not believed the first time.
    """
    try:
        result = pool.run(TASK, file, about, organisation_id=organisation_id)
    except Refused as refused:
        if refused.reason != "sandbox-fault":
            raise
        result = pool.run(TASK, file, about, organisation_id=organisation_id)
    try:
        header, study_header, series_header, frame_index, *made = result.blobs
        FrameIndex.decode(frame_index, size=len(made[0]) if made else file.size)
        return Examined(Summary.model_validate(result.value), header, study_header, series_header, frame_index, made[0] if made else None)
    except ValidationError as error:
        of_uids = any(str(place).endswith("_uid") for problem in error.errors() for place in problem["loc"])
        raise Refused("uid" if of_uids else "inconsistent") from None
    except (Damaged, ValueError):
        raise Refused("sandbox-fault") from None


def sheet(pool: Pool, file: Readable, *, organisation_id: UUID) -> bytes | None:
    """Have a photograph or scan of a sheet of paper examined in the sandbox: the JPEG made of it; None for a PDF.

    Raises Refused.
    """
    result = pool.run(SHEET, file, organisation_id=organisation_id)
    if result.value == "application/pdf" and not result.blobs:
        return None
    if result.value == "image/jpeg" and len(result.blobs) == 1 and result.blobs[0].startswith(b"\xff\xd8\xff"):
        return result.blobs[0]
    raise Refused("sandbox-fault")


def _zone(offset: str) -> dt.tzinfo | None:
    if not re.fullmatch(r"[+-]\d{4}", offset):
        return None
    minutes = int(offset[1:3]) * 60 + int(offset[3:])
    return dt.timezone(dt.timedelta(minutes=-minutes if offset[0] == "-" else minutes))
