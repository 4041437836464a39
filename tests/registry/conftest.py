"""The cast in a fresh database, and the steps by which a case comes into being, all through verbs."""

import dataclasses
import datetime as dt
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from uuid import UUID

import pytest

from auth import sessions
from auth.proofs import Refused
from auth.restrictions import Restriction
from core import ids, jobs
from core.actor import Actor
from core.db import Database, Tx
from registry import cases, consents, emergencies, entries, opinions, patients, referrals, teams
from registry.cases import Case
from registry.opinions import Opinion
from registry.patients import Patient
from registry.referrals import Referral
from tests import cast as people_of
from tests.cast import Cast, Member

INDEX = {"part": "index", "side": "left", "completeness": "complete", "level": "digit", "tamai": "zone_2"}
WORDS = {
    "findings": "Clean cut through the middle phalanx.",
    "recommendation": "Replant: one artery, two veins.",
    "urgency": "emergency",
    "limits": "Judged from photographs only.",
}


@pytest.fixture
def cast(database: Database) -> Cast:
    """The hospitals and their people."""
    with database.begin() as db:
        return people_of.make(db)


def stepped_up(actor: Actor) -> Actor:
    """The actor with a second factor just given."""
    return dataclasses.replace(actor, stepped_up_at=ids.now())


@dataclass
class World:
    """A database with the cast; ``begin`` opens a transaction, the rest are the usual first steps."""

    database: Database
    cast: Cast
    numbers: Iterator[int] = field(default_factory=lambda: iter(range(1, 1000)))

    @contextmanager
    def begin(self) -> Iterator[Tx]:
        """One transaction, committed at the end."""
        with self.database.begin() as db:
            yield db

    def patient(self, db: Tx, name: str = "张卫国", born: dt.date = dt.date(1988, 3, 5)) -> Patient:
        """A patient of Aral."""
        number = f"A{next(self.numbers):06d}"
        who = {"name": name, "sex": "male", "birth_date": born, "record_number": number}
        return patients.create(db, self.cast.surgeon.actor, **who, despite_duplicates=True)  # type: ignore[arg-type]

    def case(self, db: Tx, *, kind: str = "amputation", consent: bool = True, patient_id: UUID | None = None) -> Case:
        """A case of Aral, opened by the surgeon, with its consents."""
        surgeon = self.cast.surgeon.actor
        patient_id = patient_id or self.patient(db).id
        case = cases.create(db, surgeon, patient_id=patient_id, kind=kind)
        if consent:
            for purpose in consents.NEEDED_TO_REFER:
                consents.record(db, surgeon, case_id=case.id, purpose=purpose, statement="give")
        return case

    def injury(self, db: Tx, case: Case, ago: dt.timedelta = dt.timedelta(hours=2), **raw: str | list[str]) -> entries.Entry:
        """The injury of a case, so long ago."""
        told = {"injured_at": wall(ids.now() - ago), "mechanism": "sharp_cut", "side": "left", **raw}
        return entries.submit(db, self.cast.surgeon.actor, case.id, "injury", told)

    def severed(self, db: Tx, case: Case, **raw: str | list[str]) -> entries.Entry:
        """A severed index finger."""
        return entries.submit(db, self.cast.surgeon.actor, case.id, "amputation", {**INDEX, **raw})

    def refer(self, db: Tx, case: Case, **more: object) -> Referral:
        """A question to Taizhou."""
        told = {"case_id": case.id, "to_organisation_id": self.cast.taizhou.id, "question": "Can it be replanted?", **more}
        return referrals.request(db, self.cast.surgeon.actor, **told)  # type: ignore[arg-type]

    def asked(self, db: Tx, case: Case, **more: object) -> Referral:
        """A question that lies with the expert, who has it."""
        referral = self.refer(db, case, **more)
        referrals.allocate(db, self.cast.coordinator.actor, referral.id, expert_id=self.cast.expert.id)
        return referrals.acknowledge(db, self.cast.expert.actor, referral.id)

    def restrict(self, db: Tx, case: Case, *members: Member) -> Restriction:
        """Restrict a case to the surgeon and these."""
        return teams.restrict(
            db, stepped_up(self.cast.surgeon.actor), case.id, reason="colleague", person_ids=[member.id for member in members]
        )  # fmt: skip

    def behind_glass(self, db: Tx, member: Member, case: Case) -> Actor:
        """Somebody after they have broken the glass on a case, as their session finds them."""
        words = "Bleeding again on the ward."
        broken = emergencies.break_in(db, stepped_up(member.actor), number=case.number, reason="treatment-now", words=words)
        assert not isinstance(broken, Refused), broken
        return self.again(db, member)

    def again(self, db: Tx, member: Member) -> Actor:
        """Somebody as their session finds them now."""
        actor = sessions.again(db, member.actor)
        assert actor is not None
        return actor

    def sign(self, db: Tx, case: Case, **words: str) -> Opinion:
        """The expert's signed opinion."""
        return opinions.sign(db, stepped_up(self.cast.expert.actor), case.id, {**WORDS, **words})


def wall(moment: dt.datetime, zone: str = "Asia/Urumqi") -> str:
    """A moment as a form field takes it, with its offset."""
    from zoneinfo import ZoneInfo

    return moment.astimezone(ZoneInfo(zone)).isoformat()


@pytest.fixture
def world(database: Database, cast: Cast) -> World:
    """A database with the cast, ready for first steps."""
    return World(database, cast)


Step = Callable[[], object]


def run_jobs(database: Database, handlers: dict[str, jobs.Handler]) -> None:
    """Do every job that is due."""
    while jobs.run_once(database, handlers):
        pass
