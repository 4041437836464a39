"""The JSON API: thin routes over the same verbs as the pages. Cases, their record, and the people's own things.

Answers to a bearer token or a session; errors are problem details. ``/api/openapi.json`` describes it.
"""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request

from auth import people, policy
from imaging import annotations, manifest
from registry import board, cases, closures, disclosure, entries, messages, notices, worklist
from registry.cases import Case, Filter
from registry.clocks import Reading
from registry.entries import Recorded
from registry.web import api_models as m
from registry.web import scales, titles
from registry.web.api_record import EntryOut, ReviewOut
from registry.web.edge import Db, Me
from registry.web.moments import Clock
from registry.web.pages import in_language

router = APIRouter(prefix="/api/v1", tags=["cases"])


@router.get("/me")
def me(db: Db, me: Me) -> m.MeOut:
    """Who the token or session belongs to."""
    assert me.person_id is not None
    person = people.get(db, me, me.person_id)
    return m.MeOut(
        person_id=person.id,
        organisation_id=me.organisation_id,
        name=in_language(me.language, person),
        roles=sorted(me.roles),
        scopes=sorted(me.scopes) if me.scopes is not None else None,
        language=me.language,
        time_zone=me.time_zone,
    )


@router.get("/worklist")
def work(db: Db, me: Me) -> list[m.WorkOut]:
    """What needs the caller, the most urgent first."""
    return [
        m.WorkOut(case=_case(i.case), action=i.action, since=i.since, due_at=i.due_at, overdue=i.overdue, unread=i.unread)
        for i in worklist.items(db, me).needs
    ]


@router.get("/cases")
def list_cases(
    db: Db,
    me: Me,
    state: str = "",
    urgency: str | None = None,
    patient_id: UUID | None = None,
    after: UUID | None = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
) -> m.CasePage:
    """The cases the caller may read, newest first."""
    narrow = Filter(states=frozenset(filter(None, state.split(","))), urgency=urgency, patient_id=patient_id)
    listing = cases.list_(db, me, narrow, after=after, limit=limit)
    return m.CasePage(cases=[_case(case) for case in listing.cases], after=listing.after)


@router.post("/cases", status_code=201)
def create_case(db: Db, me: Me, given: m.CaseIn) -> m.CaseOut:
    """Open a case. The same ``client_key`` again gives the first case back."""
    return _case(cases.create(db, me, **given.model_dump()))


@router.get("/cases/{case_id}")
def case(db: Db, me: Me, case_id: UUID) -> m.CaseFull:
    """A case with its clocks; recorded."""
    row = cases.get(db, me, case_id)
    clocks = [_clock(reading) for reading in board.readings(db, row)]
    return m.CaseFull(**_case(row).model_dump(), clocks=clocks)


@router.post("/cases/{case_id}/close")
def close_case(db: Db, me: Me, case_id: UUID, given: m.CloseIn) -> m.CaseOut:
    """Close a case for good, with the summary of how it ended. The same ``client_key`` again changes nothing."""
    return _case(closures.close(db, me, case_id, given.fields, client_key=given.client_key))


@router.get("/cases/{case_id}/entries")
def list_entries(db: Db, me: Me, case_id: UUID, history: bool = False) -> list[EntryOut]:
    """The record in the order it was written; earlier versions only with ``history``, to who may know the patient."""
    return [_entry(item) for item in disclosure.record(db, me, case_id, history=history)]


@router.post("/cases/{case_id}/entries", status_code=201)
def create_entry(db: Db, me: Me, case_id: UUID, given: m.EntryIn) -> EntryOut:
    """Enter a document into the record."""
    row = entries.submit(db, me, case_id, given.type, given.fields, client_key=given.client_key)
    return _entry(entries.get(db, me, row.id))


@router.post("/entries/{entry_id}/corrections", status_code=201)
def correct_entry(db: Db, me: Me, entry_id: UUID, given: m.CorrectionIn) -> EntryOut:
    """Append a version that replaces an entry."""
    row = entries.correct(db, me, entry_id, given.fields, reason=given.reason, client_key=given.client_key)
    return _entry(entries.get(db, me, row.id))


@router.get("/cases/{case_id}/messages")
def list_messages(db: Db, me: Me, case_id: UUID) -> list[m.MessageOut]:
    """The discussion, oldest first; recorded."""
    return [m.MessageOut.model_validate(post) for post in messages.thread(db, me, case_id)]


@router.post("/cases/{case_id}/messages", status_code=201)
def post_message(db: Db, me: Me, case_id: UUID, given: m.MessageIn) -> m.MessageOut:
    """Say something in the discussion."""
    row = messages.post(
        db, me, case_id=case_id, text=given.text, people_ids=given.people, picture_ids=given.pictures, client_key=given.client_key
    )
    return next(m.MessageOut.model_validate(post) for post in messages.thread(db, me, case_id) if post.id == row.id)


@router.get("/cases/{case_id}/imaging")
def imaging(request: Request, db: Db, me: Me, case_id: UUID) -> dict[str, Any]:
    """What the viewer has to know of a case's pictures before it asks for any."""
    row = cases.get(db, me, case_id)
    when, language = Clock(me.language, me.time_zone), me.language
    assert me.person_id is not None
    person = people.get(db, me, me.person_id)
    return {
        "case": {
            "id": str(row.id),
            "number": row.number,
            "title": titles.of(row.summary, language).line,
            "state": row.state,
            "urgency": row.urgency,
            "url": f"/cases/{row.id}",
            "clocks": [clock for reading in board.readings(db, row) for clock in scales.running(reading, when)],
        },
        "may_annotate": policy.allowed(db, me, annotations.WRITE, organisation_id=row.organisation_id, case_id=row.id),
        "me": {"id": str(me.person_id), "name": in_language(language, person)},
        "studies": manifest.of_case(db, me, row.id, row.organisation_id, base=f"/dicomweb/cases/{row.id}"),
    }


@router.get("/notices", tags=["notices"])
def list_notices(db: Db, me: Me, unread: bool = False) -> list[m.NoticeOut]:
    """One's own notices, newest first."""
    return [m.NoticeOut.model_validate(one) for one in notices.for_actor(db, me, unread=unread)]


@router.post("/notices/read", tags=["notices"])
def read_notices(db: Db, me: Me) -> dict[str, int]:
    """Mark one's own notices as read; gives how many were not."""
    return {"read": notices.read(db, me)}


def _case(row: Case) -> m.CaseOut:
    return m.CaseOut.model_validate(row)


def _clock(reading: Reading) -> m.ClockOut:
    return m.ClockOut(
        part=reading.unit.part,
        side=reading.unit.side,
        warm_minutes=int(reading.warm.total_seconds() // 60) if reading.warm is not None else None,
        cold_minutes=int(reading.cold.total_seconds() // 60) if reading.cold is not None else None,
        running=reading.running,
        next_mark_hours=reading.next_mark.hours if reading.next_mark else None,
        next_mark_at=reading.next_at,
        problems=list(reading.problems),
    )


def _entry(item: Recorded) -> EntryOut:
    row = item.entry
    return EntryOut(
        id=row.id,
        chain_id=row.chain_id,
        type=row.type,
        schema_id=row.schema_id,
        version=row.version,
        replaces_id=row.replaces_id,
        author_id=row.author_id,
        at=row.at,
        current=item.current,
        reason=item.reason,
        document=item.document.model_dump(mode="json"),
        review=ReviewOut.model_validate(item.review) if item.review else None,
    )
