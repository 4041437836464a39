"""What several stories of the sample world do alike: open a case, tell an injury, ask, answer, treat."""

import datetime as dt
import math
from collections.abc import Callable
from uuid import UUID
from zoneinfo import ZoneInfo

from core import ids
from core.actor import Actor
from core.db import Tx
from imaging.phantoms import films
from imaging.phantoms.films import Subject
from imaging.phantoms.hand import Hand, Point
from registry import cases, consents, decisions, entries, followups, opinions, patients, referrals
from registry.cases import Case
from registry.sample import Cast
from registry.sample_telling import Story, ago

COUNTY_ZONE = "Asia/Urumqi"
_UID = "2.25.{}"


def wall_clock(before: dt.timedelta = dt.timedelta()) -> str:
    """The wall clock of the county so long before the present step, as a form field takes it."""
    moment = (ids.now() - before).astimezone(ZoneInfo(COUNTY_ZONE))
    return moment.replace(second=0, microsecond=0, tzinfo=None).isoformat(timespec="minutes")


def uid(seed: int) -> str:
    """A DICOM UID of the sample world."""
    return _UID.format(3_141_592_653_589 * 1_000_003 + seed * 7_919)


def open_case(db: Tx, cast: Cast, kind: str, name: str, sex: str, born: dt.date, number: str, urgency: str = "routine") -> Case:
    """A patient and their case, with both consents given."""
    lin = cast["lin"]
    patient = patients.create(db, lin, name=name, sex=sex, birth_date=born, record_number=number)
    case = cases.create(db, lin, patient_id=patient.id, kind=kind, urgency=urgency)
    for purpose in ("treatment", "transfer"):
        consents.record(db, lin, case_id=case.id, purpose=purpose, statement="give")
    return case


def injury(db: Tx, actor: Actor, case: Case, before: dt.timedelta, **raw: str | list[str]) -> None:
    """The injury entry, so long before the present step."""
    entries.submit(db, actor, case.id, "injury", {"injured_at": wall_clock(before), **raw})


def film(hand: Hand, subject: Subject, before: dt.timedelta, seed: int, number: int = 1, view: str = "PA") -> Callable[[], bytes]:
    """How to draw a radiograph of a hand."""
    taken = (ids.now() - before).astimezone(ZoneInfo(COUNTY_ZONE))
    study, series = uid(seed), uid(seed) + f".{number}"
    return lambda: films.radiograph_dicom(hand, subject, taken, study_uid=study, series_uid=series, number=number, view=view)


def subject(pinyin: str, number: str, born: dt.date, sex: str) -> Subject:
    """Whom a radiograph names."""
    return Subject(pinyin, number, born, sex, accession_number="A" + number, institution="SHAZAO COUNTY HOSPITAL (SAMPLE)")


def refer(db: Tx, cast: Cast, case: Case, question: str, specialty: str = "hand_surgery") -> referrals.Referral:
    """A question to the invited hospital."""
    return referrals.request(db, cast["lin"], case_id=case.id, to_organisation_id=cast.seaview, question=question, specialty=specialty)


def opinion(db: Tx, cast: Cast, login: str, case: Case, **raw: str) -> opinions.Opinion:
    """An expert's opinion, signed."""
    opinions.save(db, cast[login], case.id, raw)
    return opinions.sign(db, cast.stepped_up(login), case.id)


def arrow(to: Point) -> list[list[float]]:
    """From above and the side of the thumb to the place."""
    return [[to[0] - 170.0, to[1] - 170.0], [to[0] - 14.0, to[1] - 14.0]]


def around(place: Point) -> list[list[float]]:
    """An outline by a quick hand."""
    reach = (150.0, 172.0, 148.0, 165.0, 140.0, 158.0, 150.0)
    turns = [math.tau * step / (len(reach) - 1) for step in range(len(reach))]
    return [[place[0] + far * math.cos(turn), place[1] + far * math.sin(turn)] for far, turn in zip(reach, turns, strict=True)]


LIMITS = "仅凭所传照片和影像判断，未行体格检查。Judged from the pictures sent; no examination in person."


def severed(
    db: Tx, cast: Cast, case: Case, part: str, side: str, mechanism: str, cause: str, note: str, tamai: str, storage: str = "sealed_on_ice"
) -> None:
    """Injury and severed part in one."""
    injury(
        db, cast["lin"], case, ago(hours=2), mechanism=mechanism, side=side, region=["finger"], cause=cause, energy="low",
        contamination=["none_minimal"], first_aid=["pressure_dressing"], evidence=["photo", "radiograph"], note=note,
    )  # fmt: skip
    entries.submit(
        db, cast["lin"], case.id, "amputation",
        {
            "part": part, "side": side, "completeness": "complete", "level": "digit", "tamai": tamai, "mechanism": mechanism,
            "storage": storage, "cooling_started_at": wall_clock(ago(hours=1, minutes=20)), "part_brought": "yes", "evidence": ["photo"],
        },
    )  # fmt: skip


def answered(db: Tx, cast: Cast, case: Case, expert: str, *, days: int, question: str, recommendation: str) -> Story:
    """A question that is allocated, acknowledged, answered and accepted."""
    referral = refer(db, cast, case, question)
    db = yield ago(days=days, hours=3, minutes=56)
    referrals.allocate(db, cast["luo"], referral.id, expert_id=id_of(cast[expert]))
    db = yield ago(days=days, hours=3, minutes=52)
    referrals.acknowledge(db, cast[expert], referral.id)
    db = yield ago(days=days, hours=3, minutes=35)
    opinion(
        db, cast, expert, case, findings="断面较整齐，无明显挫灭。The ends are clean, hardly crushed.", classification="完全离断，Tamai IV 区。",
        recommendation=recommendation, urgency="emergency", monitoring="每小时观察 72 小时。Hourly for 72 h.", limits=LIMITS,
    )  # fmt: skip
    db = yield ago(days=days, hours=3, minutes=20)
    signed = opinions.for_case(db, cast["lin"], case.id)[-1].opinion
    decisions.record(db, cast["lin"], case_id=case.id, opinion_id=signed.id, choice="accept", reason="")


def treated(db: Tx, cast: Cast, case: Case) -> None:
    """The treatment is told, and the visits are planned."""
    followups.plan(db, cast["lin"], case.id, treated_on=ids.now().astimezone(ZoneInfo(COUNTY_ZONE)).date())


def id_of(actor: Actor) -> UUID:
    """The person behind an actor."""
    assert actor.person_id is not None
    return actor.person_id
