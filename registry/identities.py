"""Who a patient is, as a value: checked when it is typed, sealed where it is kept. Pure."""

import datetime as dt
from typing import Literal, cast

from pydantic import BaseModel, ConfigDict

from core import ids
from core.errors import Invalid
from registry import names, valuesets

Sex = Literal["male", "female", "other", "unknown"]


class Identity(BaseModel):
    """Who a patient is."""

    model_config = ConfigDict(frozen=True)

    name: str
    sex: Sex = "unknown"
    birth_date: dt.date | None = None
    national_id: str | None = None
    record_number: str | None = None
    phone: str | None = None

    @property
    def numbers(self) -> tuple[str, ...]:
        """The numbers that name the patient."""
        return tuple(number for number in (self.national_id, self.record_number) if number)

    def age(self, on: dt.date) -> int | None:
        """Completed years of life on a day, or None without a birth date."""
        if self.birth_date is None:
            return None
        born = self.birth_date
        return on.year - born.year - ((on.month, on.day) < (born.month, born.day))

    def given_away(self, text: str) -> str | None:
        """The code of an identifier of this patient that the text contains, or None."""
        return names.found_in(text, name=self.name, numbers=self.numbers, phone=self.phone, birth_date=self.birth_date)


def checked(
    name: str,
    sex: str,
    birth_date: dt.date | None,
    national_id: str | None,
    record_number: str | None,
    phone: str | None,
) -> Identity:
    """The identity that was typed, tidied. Raises Invalid with a code per field."""
    wrong: dict[str, str] = {}
    if not names.squeezed(name):
        wrong["name"] = "field-required"
    if sex not in valuesets.value_set("sex").codes:
        wrong["sex"] = "field-code-unknown"
    if birth_date is not None:
        if birth_date > ids.now().date() + dt.timedelta(days=1):
            wrong["birth_date"] = "field-in-the-future"
        elif birth_date.year < 1880:
            wrong["birth_date"] = "field-not-a-date"
    for field, value in (("name", name), ("national_id", national_id), ("record_number", record_number)):
        if value and len(value) > 100:
            wrong[field] = "field-too-long"
    if phone and len(phone) > 40:
        wrong["phone"] = "field-too-long"
    if wrong:
        raise Invalid("form-invalid", fields=wrong)
    return Identity(
        name=" ".join(name.split()),
        sex=cast(Sex, sex),
        birth_date=birth_date,
        national_id=(national_id or "").strip() or None,
        record_number=(record_number or "").strip() or None,
        phone=(phone or "").strip() or None,
    )


def index_values(who: Identity, readings: int = names.READINGS_LIMIT) -> dict[str, list[str]]:
    """What finds a patient, by kind of index: numbers, and the name as written and as read with the birth date; never a name alone."""
    values: dict[str, list[str]] = {}
    if who.record_number:
        values["record-number"] = [names.squeezed(who.record_number)]
    if who.national_id:
        values["national-id"] = list(names.number_forms(who.national_id))
    if who.birth_date:
        born = who.birth_date.isoformat()
        values["name-birth"] = [f"{form}|{born}" for form in names.forms(who.name)]
        values["sound-birth"] = [f"{reading}|{born}" for reading in sorted(names.readings(who.name, readings))]
    return values
