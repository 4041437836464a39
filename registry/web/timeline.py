"""The one column of time of a case: what happened to the patient and what was done, newest first.

Everything on it was read through verbs that checked and recorded the access; this only puts it in order.
"""

import datetime as dt
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from uuid import UUID

from registry.clocks import Reading
from registry.consents import Consent
from registry.decisions import Decided
from registry.entries import Recorded
from registry.opinions import Signed
from registry.presentations import Presented
from registry.questions import Asked
from registry.web.gallery import Shot
from registry.web.moments import Clock
from registry.web.pages import label
from registry.web.translations import translate
from registry.web.who import Names

# Why the product itself took a step; what people choose from is in the value set ``decline_reason``.
BECAUSE = {"consent-withdrawn": "timeline-because-consent-withdrawn"}


@dataclass(frozen=True, slots=True)
class Moment:
    """One line of the timeline; ``key`` marks what changes the course of the case."""

    at: dt.datetime
    text: str
    by: str = ""
    note: str = ""
    key: bool = False
    href: str = ""


@dataclass(frozen=True, slots=True)
class Told:
    """The days of a timeline, newest first, each with its moments, newest first."""

    day: str
    moments: tuple[Moment, ...]


def by_day(moments: Iterable[Moment], when: Clock) -> list[Told]:
    """The moments under their days in the reader's zone."""
    days: dict[str, list[Moment]] = {}
    for moment in sorted(moments, key=lambda found: found.at, reverse=True):
        days.setdefault(when.day(moment.at), []).append(moment)
    return [Told(day, tuple(found)) for day, found in days.items()]


def because(language: str, code: str | None) -> str:
    """The reason of a step in words; empty where none was given."""
    return translate(language, BECAUSE[code]) if code in BECAUSE else label(language, "decline_reason", code)


@dataclass(frozen=True, slots=True)
class Teller:
    """Turns what was read into lines, in one reader's language."""

    when: Clock
    names: Names

    def _t(self, key: str, **params: str | int | float) -> str:
        return translate(self.when.language, key, **params)

    def opened(self, at: dt.datetime, by: UUID | None) -> Iterator[Moment]:
        """The case was opened."""
        yield Moment(at, self._t("timeline-opened"), self.names.person(by))

    def clocks(self, readings: Iterable[Reading]) -> Iterator[Moment]:
        """Injury, cooling and reflow of the severed units; what several share stands once."""
        found: dict[tuple[dt.datetime, str], None] = {}
        for reading in readings:
            unit = reading.unit
            for at, code in ((unit.injured_at, "injured"), (unit.cooling_started_at, "cooled"), (unit.reflow_at, "reflow")):
                if at is not None:
                    found[at, code] = None
        for at, code in found:
            yield Moment(at, self._t(f"timeline-{code}"), key=True)

    def entries(self, recorded: Iterable[Recorded]) -> Iterator[Moment]:
        """Entries and their corrections."""
        for item in recorded:
            entry = item.entry
            what = self._t(f"entry-{entry.type}")
            text = self._t("timeline-corrected" if entry.version > 1 else "timeline-entered", what=what)
            waits = self._t("review-waiting") if item.review and item.review.state == "waiting" else ""
            note = " · ".join(part for part in (item.reason, waits) if part)
            yield Moment(entry.at, text, self.names.person(entry.author_id), note, href="#record")
            if item.review and item.review.by_id and item.review.at:
                done = "countersigned" if item.review.state == "countersigned" else "returned"
                yield Moment(
                    item.review.at, self._t(f"timeline-entry-{done}", what=what), self.names.person(item.review.by_id), href="#record"
                )

    def pictures(self, shots: Iterable[Shot]) -> Iterator[Moment]:
        """Pictures, those of the same minute in one line."""
        grouped: dict[dt.datetime, int] = {}
        for shot in shots:
            minute = shot.at.replace(second=0, microsecond=0)
            grouped[minute] = grouped.get(minute, 0) + 1
        for at, count in grouped.items():
            yield Moment(at, self._t("timeline-pictures", count=count), href="#pictures")

    def referrals(self, asked: Iterable[Asked]) -> Iterator[Moment]:
        """The steps of each question."""
        for item in asked:
            hospital = self.names.hospital(item.referral.to_organisation_id)
            for step in item.steps:
                if step.event == "answer":
                    continue
                person = self.names.person(step.person_id) if step.person_id else ""
                key = "escalate-called" if step.event == "escalate" and person else step.event
                text = self._t(f"timeline-referral-{key}", hospital=hospital, person=person)
                note = " · ".join(part for part in (because(self.when.language, step.code), step.words) if part)
                yield Moment(
                    step.at,
                    text,
                    self.names.person(step.by_id),
                    note,
                    key=step.event in ("request", "decline", "escalate"),
                    href="#question",
                )

    def opinions(self, signed: Iterable[Signed]) -> Iterator[Moment]:
        """Opinions and addenda."""
        for item in signed:
            text = self._t("timeline-addendum" if item.opinion.addendum_to else "timeline-joint" if item.joined else "timeline-opinion")
            second = item.countersigned
            yield Moment(item.author_signed_at, text, self.names.person(item.opinion.author_id), key=second is None, href="#opinion")
            if second is not None:
                senior = self.names.person(UUID(second["countersigner"]["id"]))
                yield Moment(item.opinion.signed_at, self._t("timeline-countersigned"), senior, key=True, href="#opinion")
            for one in item.joined:
                row = one.joining
                if row.state in ("joined", "declined") and row.decided_at and row.person_id != item.opinion.author_id:
                    said = self._t(f"timeline-joining-{row.state}")
                    yield Moment(row.decided_at, said, self.names.person(row.person_id), one.words, key=True, href="#opinion")
            yield from self.opinions(item.addenda)

    def presentations(self, presented: Iterable[Presented]) -> Iterator[Moment]:
        """What people in training signed that is not given; ``opinions`` tells of the rest."""
        for item in presented:
            row = item.presentation
            if row.state != "given":
                text = self._t(f"timeline-presentation-{row.state}", person=self.names.person(item.lies_with))
                yield Moment(row.signed_at, text, self.names.person(row.author_id), item.words, href="#opinion")

    def decisions(self, decided: Iterable[Decided]) -> Iterator[Moment]:
        """Local decisions."""
        for item in decided:
            text = self._t(f"timeline-decision-{item.decision.choice}")
            yield Moment(item.decision.at, text, self.names.person(item.decision.author_id), key=True, href="#opinion")

    def consents(self, standing: Iterable[Consent | None]) -> Iterator[Moment]:
        """The newest word on each consent."""
        for row in standing:
            if row is not None:
                purpose = label(self.when.language, "consent_purpose", row.purpose)
                yield Moment(
                    row.at,
                    self._t(f"timeline-consent-{row.standing}", purpose=purpose),
                    self.names.person(row.recorded_by),
                    href="#consent",
                )
