"""The JSON API of joint opinions. A token can draft and read; who signs, joins or declines is a person at a session."""

from uuid import UUID

from fastapi import APIRouter

from registry import joint, opinions
from registry.web import api_models as m
from registry.web.api_consult import opinion_out
from registry.web.api_models import Given
from registry.web.edge import Db, Me

router = APIRouter(prefix="/api/v1", tags=["consultation"])


class JointDraftIn(Given):
    """The words so far; ``version`` is that of the draft as it was read."""

    fields: dict[str, str]
    version: int | None = None


class NotJoinIn(Given):
    """Why somebody does not join."""

    words: str


@router.get("/cases/{case_id}/joint-opinion/draft")
def joint_draft(db: Db, me: Me, case_id: UUID) -> m.OpinionDraftOut:
    """One's own draft of a joint opinion. 409 while the advisers are blind to each other, or without two who have advised."""
    draft = joint.draft(db, me, case_id)
    return m.OpinionDraftOut(fields=draft.raw, version=draft.version, saved_at=draft.saved_at)


@router.put("/cases/{case_id}/joint-opinion/draft")
def save_joint(db: Db, me: Me, case_id: UUID, given: JointDraftIn) -> m.OpinionDraftOut:
    """Keep what was written."""
    draft = joint.save(db, me, case_id, dict(given.fields), version=given.version)
    return m.OpinionDraftOut(fields=draft.raw, version=draft.version, saved_at=draft.saved_at)


@router.post("/cases/{case_id}/joint-opinion/sign", status_code=201)
def sign_joint(db: Db, me: Me, case_id: UUID, version: int | None = None, subject: str | None = None) -> m.OpinionOut:
    """Sign one's draft, which joins the newest opinion of every expert; needs a step-up. The others are asked to join."""
    return opinion_out(opinions.get(db, me, joint.sign(db, me, case_id, version=version, subject=subject).id))


@router.post("/opinions/{opinion_id}/join")
def join(db: Db, me: Me, opinion_id: UUID) -> m.OpinionOut:
    """Stand behind a joint opinion that joins one's own; needs a step-up."""
    joint.join(db, me, opinion_id)
    return opinion_out(opinions.get(db, me, opinion_id))


@router.post("/opinions/{opinion_id}/not-join")
def decline(db: Db, me: Me, opinion_id: UUID, given: NotJoinIn) -> m.OpinionOut:
    """Say why one does not."""
    joint.decline(db, me, opinion_id, words=given.words)
    return opinion_out(opinions.get(db, me, opinion_id))
