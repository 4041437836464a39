"""What each route owes to whom. The test derives the routes from the application; one that is not here fails.

Six visitors ask: nobody; a stranger (surgeon of a hospital without a part in the case); somebody of another
hospital (an expert of the invited one whom nobody let in); a participant; the administrator of the hospital
that owns the case; and, once the case is restricted, a surgeon of that hospital who is not of its team: to whom the case is
what it is to a stranger. What a visitor may not know of answers 404, what they see and may not do 403; pages send
nobody to the sign-in.
"""

from dataclasses import dataclass, field
from typing import Any

OK = frozenset({200, 201, 204, 303})


@dataclass(frozen=True)
class Expect:
    """The statuses owed. ``part`` is who of the cast takes part; ``form`` or ``json`` is what is sent."""

    anonymous: int
    stranger: int
    other: int
    administrator: int
    participant: frozenset[int] = OK
    part: str = "surgeon"
    form: dict[str, str] = field(default_factory=dict)
    json: Any = None
    headers: dict[str, str] = field(default_factory=dict)


def page(part: str = "surgeon", participant: int = 200) -> Expect:
    """A page of the case."""
    return Expect(303, 404, 404, 404, frozenset({participant}), part)


def act(part: str = "surgeon", participant: int = 303, **form: str) -> Expect:
    """A form of the case."""
    return Expect(401, 404, 404, 404, frozenset({participant}), part, form)


def call(part: str = "surgeon", participant: int = 200, json: Any = None) -> Expect:
    """A call of the JSON API to the case."""
    return Expect(401, 404, 404, 404, frozenset({participant}), part, json=json)


def open_to_all(status: int = 200, **form: str) -> Expect:
    """Something everybody may ask for."""
    return Expect(status, status, status, status, frozenset({status}), form=form)


def own(anonymous: int, stranger: int, other: int, administrator: int, participant: int = 200, **more: Any) -> Expect:
    """Something of one's own or of one's hospital: each asks about their own."""
    return Expect(anonymous, stranger, other, administrator, frozenset({participant}), **more)


FUTURE = "2026-11-20"
CASES: dict[tuple[str, str], Expect] = {
    ("GET", "/cases/{case_id}"): page(),
    ("POST", "/cases/{case_id}/messages"): act(text="A question about the wound."),
    ("POST", "/cases/{case_id}/identity"): act(participant=200),
    ("GET", "/cases/{case_id}/patient"): page(),
    ("POST", "/cases/{case_id}/patient"): act(name="胡杨", sex="male", version="1", subject="{subject}"),
    ("GET", "/cases/{case_id}/patient/merge"): page(),
    ("POST", "/cases/{case_id}/patient/merge"): act(participant=200, number="A-0"),
    ("POST", "/cases/{case_id}/patient/merges/{merge_id}/undo"): act(participant=404, reason="Two people."),
    ("POST", "/cases/{case_id}/consents/scans"): act(participant=422),
    ("GET", "/cases/{case_id}/consents/scans/{scan_id}"): page(),
    ("POST", "/cases/{case_id}/urgency"): act(participant=409, urgency="emergency", version="0"),
    ("GET", "/cases/{case_id}/record"): page(),
    ("GET", "/cases/{case_id}/close"): page(),
    ("POST", "/cases/{case_id}/archive"): act(participant=409),
    ("GET", "/cases/{case_id}/access"): Expect(303, 404, 404, 200, frozenset({200})),
    ("GET", "/cases/{case_id}/people"): Expect(303, 404, 404, 200, frozenset({200})),
    ("GET", "/cases/{case_id}/restriction"): page(),
    ("POST", "/cases/{case_id}/blinding/end"): act(),
    ("POST", "/cases/{case_id}/restriction"): act(participant=403, reason="colleague"),
    ("POST", "/cases/{case_id}/restriction/lift"): act(participant=403),
    ("POST", "/cases/{case_id}/restriction/team"): act("nurse", 403, person="00000000-0000-0000-0000-000000000001"),
    ("POST", "/cases/{case_id}/restriction/team/{person_id}/release"): act(participant=403),
    ("POST", "/cases/{case_id}/glass/return"): act(participant=404),
    ("GET", "/cases/{case_id}/entries/{entry_type}"): page(),
    ("POST", "/cases/{case_id}/entries/{entry_type}/draft"): act(note="half a sentence"),
    ("POST", "/cases/{case_id}/entries/{entry_type}"): act(mechanism="crush", injured_at="2026-11-20T08:00"),
    ("GET", "/cases/{case_id}/refer"): page(),
    ("POST", "/cases/{case_id}/refer"): act(participant=422),
    ("GET", "/cases/{case_id}/invite"): page(),
    ("POST", "/cases/{case_id}/invite"): act(participant=422),
    ("POST", "/cases/{case_id}/invitations/{invitation_id}/withdraw"): act(participant=404),
    ("GET", "/cases/{case_id}/referrals/{referral_id}"): page(),
    ("POST", "/cases/{case_id}/referrals/{referral_id}/acknowledge"): act("expert"),
    ("POST", "/cases/{case_id}/referrals/{referral_id}/allocate"): act("coordinator", 422),
    ("POST", "/cases/{case_id}/referrals/{referral_id}/decline"): act("coordinator", 422),
    ("POST", "/cases/{case_id}/referrals/{referral_id}/withdraw"): act("nurse", 403),
    ("GET", "/cases/{case_id}/consents"): page(),
    ("POST", "/cases/{case_id}/consents"): act(purpose="teaching", statement="give"),
    ("GET", "/cases/{case_id}/opinion"): page("expert"),
    ("POST", "/cases/{case_id}/opinion/draft"): act("expert", findings="A clean cut."),
    ("POST", "/cases/{case_id}/opinion"): act("expert", 422, code="000000"),
    ("GET", "/cases/{case_id}/joint"): page("expert", 409),
    ("POST", "/cases/{case_id}/joint/draft"): act("expert", 409, findings="A clean cut."),
    ("POST", "/cases/{case_id}/joint"): act("expert", 409, code="000000"),
    ("GET", "/cases/{case_id}/joint/{opinion_id}"): page("expert", 404),
    ("POST", "/cases/{case_id}/joint/{opinion_id}/join"): act("expert", 404, code="000000"),
    ("POST", "/cases/{case_id}/joint/{opinion_id}/decline"): act("expert", 404, words="No."),
    ("GET", "/cases/{case_id}/opinions/{opinion_id}"): page(),
    ("GET", "/cases/{case_id}/consents/sheet"): page(),
    ("GET", "/cases/{case_id}/opinions/{opinion_id}/proof"): page(),
    ("GET", "/cases/{case_id}/opinions/{opinion_id}/sheet"): page(),
    ("GET", "/cases/{case_id}/presentations/{presentation_id}"): page("expert"),
    ("POST", "/cases/{case_id}/presentations/{presentation_id}/countersign"): act("expert", 422, code="000000"),
    ("POST", "/cases/{case_id}/presentations/{presentation_id}/return"): act("expert", 422, words=""),
    ("POST", "/cases/{case_id}/presentations/{presentation_id}/senior"): act("expert", 403, senior_id="{nothing}"),
    ("GET", "/cases/{case_id}/reviews/{entry_id}"): page(),
    ("POST", "/cases/{case_id}/reviews/{entry_id}/return"): act(participant=422, words=""),
    ("POST", "/cases/{case_id}/reviews/{entry_id}/countersign"): act(),
    ("GET", "/cases/{case_id}/decision"): page(),
    ("POST", "/cases/{case_id}/decision"): act(participant=422, choice="modify"),
    ("GET", "/cases/{case_id}/follow-up"): page("nurse"),
    ("POST", "/cases/{case_id}/follow-up/plan"): act("nurse", 422),
    ("POST", "/cases/{case_id}/follow-up/draft"): act("nurse", note="x"),
    ("POST", "/cases/{case_id}/follow-up"): act("nurse", 422),
    ("GET", "/cases/{case_id}/pictures"): page("nurse"),
    ("GET", "/cases/{case_id}/uploads"): page("nurse"),
    ("POST", "/cases/{case_id}/uploads/{upload_id}/confirm"): act(participant=404),
    ("POST", "/cases/{case_id}/uploads/{upload_id}/reject"): act(participant=404),
    ("GET", "/cases/{case_id}/viewer"): page("expert"),
    ("GET", "/api/v1/cases/{case_id}"): call("expert"),
    ("POST", "/api/v1/cases/{case_id}/close"): call(participant=409, json={"fields": {}}),
    ("GET", "/api/v1/cases/{case_id}/entries"): call("expert"),
    ("POST", "/api/v1/cases/{case_id}/entries"): call(participant=422, json={"type": "injury", "fields": {}}),
    ("POST", "/api/v1/entries/{entry_id}/corrections"): call(participant=422, json={"fields": {}, "reason": ""}),
    ("GET", "/api/v1/cases/{case_id}/messages"): call(),
    ("POST", "/api/v1/cases/{case_id}/messages"): call(participant=201, json={"text": "More pictures, please."}),
    ("GET", "/api/v1/cases/{case_id}/imaging"): call("expert"),
    ("GET", "/api/v1/cases/{case_id}/referrals"): call(),
    ("POST", "/api/v1/cases/{case_id}/referrals"): call(participant=422, json={"to_organisation_id": "{nothing}", "question": ""}),
    ("POST", "/api/v1/referrals/{referral_id}/allocate"): call("coordinator", 404, {"expert_id": "{nothing}"}),
    ("POST", "/api/v1/referrals/{referral_id}/acknowledge"): call("expert"),
    ("POST", "/api/v1/referrals/{referral_id}/decline"): call("coordinator", 422, {"code": "nonsense"}),
    ("POST", "/api/v1/referrals/{referral_id}/withdraw"): call("nurse", 403, {"reason": ""}),
    ("GET", "/api/v1/cases/{case_id}/opinions"): call(),
    ("GET", "/api/v1/opinions/{opinion_id}/verdict"): call(),
    ("GET", "/api/v1/cases/{case_id}/opinion/draft"): call("expert"),
    ("PUT", "/api/v1/cases/{case_id}/opinion/draft"): call("expert", 200, {"fields": {"findings": "A clean cut."}}),
    ("POST", "/api/v1/cases/{case_id}/opinion/sign"): call("expert", 403),
    ("GET", "/api/v1/cases/{case_id}/joint-opinion/draft"): call("expert", 409),
    ("PUT", "/api/v1/cases/{case_id}/joint-opinion/draft"): call("expert", 409, {"fields": {"findings": "A clean cut."}}),
    ("POST", "/api/v1/cases/{case_id}/joint-opinion/sign"): call("expert", 403),
    ("POST", "/api/v1/opinions/{opinion_id}/join"): call("expert", 404),
    ("POST", "/api/v1/opinions/{opinion_id}/not-join"): call("expert", 404, {"words": "No."}),
    ("GET", "/api/v1/cases/{case_id}/presentations"): call("expert"),
    ("POST", "/api/v1/cases/{case_id}/opinion/present"): call("expert", 403, {"senior_id": "{nothing}"}),
    ("POST", "/api/v1/presentations/{presentation_id}/countersign"): call("expert", 403),
    ("POST", "/api/v1/presentations/{presentation_id}/return"): call("expert", 422, {"words": ""}),
    ("POST", "/api/v1/presentations/{presentation_id}/senior"): call("expert", 403, {"senior_id": "{nothing}"}),
    ("POST", "/api/v1/entries/{entry_id}/countersign"): call(participant=409),
    ("POST", "/api/v1/entries/{entry_id}/return"): call(participant=422, json={"words": ""}),
    ("GET", "/api/v1/cases/{case_id}/decisions"): call(),
    ("POST", "/api/v1/cases/{case_id}/decisions"): call(participant=404, json={"opinion_id": "{nothing}", "choice": "accept"}),
    ("GET", "/api/v1/cases/{case_id}/follow-ups"): call(),
    ("POST", "/api/v1/cases/{case_id}/follow-ups/plan"): call("nurse", 422, {"treated_on": "2999-01-01"}),
    ("POST", "/api/v1/cases/{case_id}/follow-ups"): call("nurse", 422, {"fields": {}}),
    ("GET", "/api/v1/cases/{case_id}/consents"): call(),
    ("POST", "/api/v1/cases/{case_id}/consents"): call(participant=201, json={"purpose": "research", "statement": "refuse"}),
}

OTHERS: dict[tuple[str, str], Expect] = {
    ("GET", "/healthz"): open_to_all(),
    ("GET", "/readyz"): open_to_all(),
    ("GET", "/metrics"): open_to_all(),
    ("GET", "/api/openapi.json"): open_to_all(),
    ("GET", "/check"): open_to_all(),
    ("GET", "/check/page"): open_to_all(),
    ("GET", "/sign-in"): own(200, 303, 303, 303, 303),
    ("POST", "/sign-in"): open_to_all(401, login="nobody", password="nothing"),
    ("GET", "/sign-in/code"): open_to_all(303),
    ("POST", "/sign-in/code"): open_to_all(401, ticket="x", code="0"),
    ("POST", "/sign-in/kept"): own(401, 303, 303, 303, 303),
    ("GET", "/sign-in/oidc/{provider_id}"): open_to_all(404),
    ("GET", "/sign-in/oidc/{provider_id}/callback"): open_to_all(401),
    ("GET", "/account/sign-in-providers"): own(303, 200, 200, 200),
    ("GET", "/account/sign-in-providers/{provider_id}/link"): own(404, 404, 404, 404, 404),
    ("POST", "/account/sign-in-providers/{link_id}/unlink"): own(401, 404, 404, 404, 404),
    ("POST", "/sign-in/begin"): open_to_all(),
    ("POST", "/sign-in/passkey"): open_to_all(401, passkey="{}"),
    ("GET", "/sign-in/again"): own(303, 200, 200, 200),
    ("POST", "/sign-in/again/begin"): own(401, 404, 404, 404, 404),
    ("POST", "/sign-in/again"): own(401, 401, 401, 401, 401, form={"code": "0"}),
    ("GET", "/enrol"): open_to_all(),
    ("POST", "/enrol"): open_to_all(422, secret="x"),
    ("POST", "/enrol/begin"): open_to_all(404, secret="x"),
    ("POST", "/enrol/complete"): open_to_all(422, secret="x"),
    ("GET", "/signed-in"): own(303, 200, 200, 200),
    ("POST", "/language"): open_to_all(303, language="en"),
    ("GET", "/"): own(303, 200, 200, 303),
    ("GET", "/cases"): own(303, 200, 200, 200),
    ("POST", "/cases/search"): own(401, 200, 403, 404, form={"q": "zhang"}),
    ("GET", "/follow-ups"): own(303, 200, 200, 200),
    ("GET", "/cases/new"): own(303, 200, 403, 403),
    ("POST", "/cases/new"): own(401, 422, 403, 403, 422),
    ("GET", "/cases/urgent"): own(303, 200, 403, 403),
    ("POST", "/cases/urgent"): own(401, 422, 403, 403, 422),
    ("POST", "/cases/new/known"): own(401, 200, 403, 403, form={"name": "x"}),
    ("GET", "/audit"): own(303, 403, 403, 200, 403),
    ("POST", "/audit/patient"): own(401, 403, 403, 200, 403, form={"number": "A0"}),
    ("GET", "/audit/person/{person_id}"): own(303, 403, 403, 200, 403),
    ("GET", "/audit/proof"): own(303, 403, 403, 200, 403),
    ("GET", "/inbox"): own(303, 200, 403, 403),
    ("POST", "/inbox/{study_id}/file"): own(401, 422, 403, 403, 422),
    ("POST", "/inbox/uploads/{upload_id}/confirm"): own(401, 404, 403, 403, 404),
    ("POST", "/inbox/uploads/{upload_id}/reject"): own(401, 404, 403, 403, 404),
    ("GET", "/hospital/roster"): own(303, 200, 200, 200),
    ("POST", "/hospital/roster/absences"): own(401, 422, 422, 422, 422),
    ("POST", "/hospital/roster/absences/{absence_id}/end"): Expect(401, 404, 403, 404, frozenset({303}), "coordinator"),
    ("GET", "/hospital/roster/new"): Expect(303, 403, 403, 200, frozenset({200}), "coordinator"),
    ("POST", "/hospital/roster/new"): Expect(401, 403, 403, 422, frozenset({422}), "coordinator"),
    ("GET", "/hospital/roster/{roster_id}"): Expect(303, 403, 403, 404, frozenset({200}), "coordinator"),
    ("POST", "/hospital/roster/{roster_id}"): Expect(401, 403, 403, 404, frozenset({422}), "coordinator"),
    ("POST", "/hospital/roster/{roster_id}/covers"): Expect(401, 403, 403, 404, frozenset({422}), "coordinator"),
    ("POST", "/hospital/roster/covers/{cover_id}/end"): Expect(401, 404, 403, 404, frozenset({303}), "coordinator"),
    ("GET", "/api/v1/roster/duty"): own(401, 422, 422, 422, 422),
    ("GET", "/break-glass"): own(303, 200, 200, 403),
    ("POST", "/break-glass"): own(401, 403, 403, 403, 403, form={"number": "A000001", "reason": "other", "words": "x"}),
    ("GET", "/hospital/glass"): own(303, 403, 403, 200, 403),
    ("POST", "/hospital/glass/{glass_id}"): own(401, 403, 403, 404, 403, form={"verdict": "justified", "words": "x"}),
    ("GET", "/notices"): own(303, 200, 200, 200),
    ("POST", "/notices/read"): own(401, 303, 303, 303, 303),
    ("GET", "/account"): own(303, 200, 200, 200),
    ("POST", "/account/zone"): own(401, 422, 422, 422, 422, form={"time_zone": "Mars"}),
    ("POST", "/account/details"): own(401, 303, 303, 303, 303, form={"phone": "0997-5550100"}),
    ("GET", "/hospital/people"): own(303, 403, 403, 200, 403),
    ("GET", "/hospital/people/new"): own(303, 403, 403, 200, 403),
    ("POST", "/hospital/people/new"): own(401, 403, 403, 422, 403, form={"login": "-"}),
    ("GET", "/hospital/people/{person_id}"): own(303, 403, 403, 200, 403),
    ("POST", "/hospital/people/{person_id}"): own(401, 403, 403, 422, 403, form={"name": ""}),
    ("POST", "/hospital/people/{person_id}/give"): own(401, 403, 403, 403, 403, form={"role": "nurse"}),
    ("POST", "/hospital/people/{person_id}/take"): own(401, 403, 403, 403, 403, form={"role": "surgeon"}),
    ("POST", "/hospital/people/{person_id}/enrol"): own(401, 403, 403, 403, 403),
    ("POST", "/hospital/people/{person_id}/retire"): own(401, 403, 403, 403, 403),
    ("POST", "/hospital/people/{person_id}/sessions/end"): own(401, 403, 403, 303, 403),
    ("POST", "/hospital/people/{person_id}/tokens/{token_id}/revoke"): own(401, 404, 404, 404, 404),
    ("POST", "/hospital/people/{person_id}/disable"): own(401, 403, 403, 303, 403),
    ("POST", "/hospital/people/{person_id}/enable"): own(401, 403, 403, 403, 403),
    ("GET", "/hospital/settings"): own(303, 403, 403, 200, 403),
    ("POST", "/hospital/settings/duties"): own(401, 403, 403, 403, 403),
    ("POST", "/hospital/proposals/{proposal_id}/confirm"): own(401, 403, 403, 404, 403),
    ("POST", "/hospital/proposals/{proposal_id}/refuse"): own(401, 403, 403, 404, 403),
    ("POST", "/hospital/proposals/{proposal_id}/withdraw"): own(401, 403, 403, 404, 403),
    ("GET", "/hospital/invitations"): own(303, 403, 403, 200, 403),
    ("POST", "/hospital/invitations"): own(401, 403, 403, 403, 403, form={"email": "x@example.cn", "roles": "nurse"}),
    ("POST", "/hospital/invitations/{invitation_id}/withdraw"): own(401, 403, 403, 404, 403),
    ("GET", "/invitation"): open_to_all(),
    ("POST", "/invitation"): open_to_all(404, invitation="no such code"),
    ("POST", "/invitation/accept"): own(401, 404, 404, 404, 404, form={"invitation": "no such code"}),
    ("POST", "/invitation/new"): open_to_all(404, invitation="no such code", login="x1", name="x"),
    ("POST", "/account/sessions/{session_id}/end"): own(401, 404, 404, 404, 404),
    ("POST", "/account/sessions/end"): own(401, 303, 303, 303, 303),
    ("GET", "/account/notices"): own(303, 200, 200, 200),
    ("POST", "/account/notices"): own(401, 422, 422, 422, 422, form={"urgent": "loudly"}),
    ("GET", "/account/security"): own(303, 200, 200, 200),
    ("POST", "/account/security/password"): own(401, 422, 422, 422, 422, form={"current": "x", "new": "y"}),
    ("GET", "/account/security/authenticator"): own(303, 303, 303, 303, 303),
    ("POST", "/account/security/authenticator"): own(
        401, 403, 403, 403, 403, form={"factor": "01900000-0000-7000-8000-000000000000", "code": "0"}
    ),
    ("GET", "/account/security/passkeys/new"): own(303, 303, 303, 303, 303),
    ("POST", "/account/security/passkeys/begin"): own(401, 403, 403, 403, 403),
    ("POST", "/account/security/passkeys"): own(401, 403, 403, 403, 403, form={"name": "x"}),
    ("POST", "/account/security/passkeys/{passkey_id}/name"): own(401, 404, 404, 404, 404, form={"name": "x"}),
    ("GET", "/account/security/passkeys/{passkey_id}/remove"): own(303, 303, 303, 303, 303),
    ("POST", "/account/security/passkeys/{passkey_id}/remove"): own(401, 403, 403, 403, 403),
    ("GET", "/account/quick-unlock"): own(303, 200, 200, 200),
    ("POST", "/account/quick-unlock"): own(401, 404, 404, 404, 404, form={"pin": "0"}),
    ("POST", "/account/quick-unlock/drop"): own(401, 404, 404, 404, 404),
    ("GET", "/ward"): open_to_all(),
    ("POST", "/ward"): open_to_all(),
    ("POST", "/ward/begin"): open_to_all(404),
    ("POST", "/ward/unlock"): open_to_all(404),
    ("GET", "/hospital/devices"): own(303, 403, 403, 200, 403),
    ("GET", "/hospital/devices/new"): own(303, 403, 403, 303, 403),
    ("POST", "/hospital/devices/begin"): own(401, 403, 403, 403, 403),
    ("POST", "/hospital/devices"): own(401, 403, 403, 403, 403, form={"name": "x"}),
    ("POST", "/hospital/devices/{device_id}/revoke"): own(401, 403, 403, 404, 403),
    ("GET", "/account/security/recovery"): own(303, 303, 303, 303, 303),
    ("POST", "/account/security/recovery"): own(401, 403, 403, 403, 403),
    ("POST", "/account/tokens"): own(401, 403, 403, 403, 403, form={"name": "x", "days": "1"}),
    ("POST", "/account/tokens/{token_id}/revoke"): own(401, 404, 404, 404, 404),
    ("POST", "/hospital/people/{person_id}/training"): own(401, 403, 403, 303, 403, form={"act": "begin"}),
    ("POST", "/account/organisation"): own(401, 422, 422, 422, 422),
    ("GET", "/hospital/agreements"): own(303, 403, 403, 200, 403),
    # the second factor is asked for before the form is filled in
    ("GET", "/hospital/agreements/new"): own(303, 403, 403, 303, 403),
    ("POST", "/hospital/agreements/new"): own(401, 403, 403, 422, 403),
    ("POST", "/hospital/agreements/settle"): own(
        401, 403, 403, 404, 403, form={"referral": "019b0000-0000-7000-8000-000000000000", "reason": "other"}
    ),
    ("GET", "/hospital/agreements/{agreement_id}"): own(303, 403, 403, 404, 403),
    ("GET", "/hospital/agreements/{agreement_id}/document"): own(303, 403, 403, 404, 403),
    ("POST", "/hospital/agreements/{agreement_id}/confirm"): own(401, 403, 403, 404, 403),
    ("POST", "/hospital/agreements/{agreement_id}/refuse"): own(401, 403, 403, 404, 403, form={"reason": "other"}),
    ("POST", "/hospital/agreements/{agreement_id}/withdraw"): own(401, 403, 403, 404, 403),
    ("POST", "/hospital/agreements/{agreement_id}/end"): own(401, 403, 403, 404, 403, form={"reason": "other"}),
    ("POST", "/account/notices/browsers"): own(401, 422, 422, 422, 422),
    ("POST", "/account/notices/browsers/{subscription_id}/try"): own(401, 404, 404, 404, 404),
    ("POST", "/account/notices/browsers/{subscription_id}/end"): own(401, 404, 404, 404, 404),
    ("GET", "/hospital/retention"): own(303, 403, 403, 200, 403),
    ("POST", "/hospital/retention"): own(
        401, 403, 403, 303, 403, form={"outpatient_years": "15", "inpatient_years": "30", "archive_after_days": "90"}
    ),
    ("POST", "/hospital/retention/holds"): own(401, 403, 403, 422, 403, form={"number": "SH-2026-9999", "reason": "An inquiry."}),
    ("GET", "/hospital/retention/holds/{hold_id}"): own(303, 403, 403, 404, 403),
    ("POST", "/hospital/retention/holds/{hold_id}"): own(401, 403, 403, 403, 403, form={"reason": "It ended."}),
    ("GET", "/hospital/webhooks"): own(303, 403, 403, 200, 403),
    # the second factor is asked for before the form is filled in
    ("GET", "/hospital/webhooks/new"): own(303, 403, 403, 303, 403),
    ("POST", "/hospital/webhooks/new"): own(401, 403, 403, 403, 403, form={"form": "wecom", "url": "https://x.example"}),
    ("POST", "/hospital/webhooks/{hook_id}/try"): own(401, 403, 403, 404, 403),
    ("POST", "/hospital/webhooks/{hook_id}/end"): own(401, 403, 403, 404, 403),
    ("POST", "/hospital/webhooks/deliveries/{delivery_id}/again"): own(401, 403, 403, 404, 403),
    ("GET", "/hospital/machines"): own(303, 403, 403, 200, 403),
    ("POST", "/hospital/machines"): own(401, 403, 403, 403, 403),
    ("POST", "/hospital/machines/{machine_id}/renew"): own(401, 403, 403, 404, 403),
    ("POST", "/hospital/machines/{machine_id}/revoke"): own(401, 403, 403, 404, 403),
    ("POST", "/hospital/machines/programs/{token_id}/revoke"): own(401, 404, 404, 404, 404),
    ("GET", "/api/v1/me"): own(401, 200, 200, 200),
    ("GET", "/api/v1/worklist"): own(401, 200, 200, 200),
    ("POST", "/api/v1/patients"): own(401, 201, 403, 403, 201, json={"name": "柳", "birth_date": "1970-01-01"}),
    ("GET", "/api/v1/patients/{patient_id}"): own(401, 404, 404, 200),
    ("GET", "/api/v1/patients/{patient_id}/merges"): own(401, 404, 403, 403),
    ("POST", "/api/v1/patients/{patient_id}/merges"): own(
        401, 404, 403, 403, 404, json={"merged_id": "{nothing}", "reason": "One person."}
    ),
    ("POST", "/api/v1/merges/{merge_id}/undo"): own(401, 404, 403, 403, 404, json={"reason": "Two people."}),
    ("GET", "/api/v1/cases"): own(401, 200, 200, 200),
    ("POST", "/api/v1/cases"): own(401, 404, 403, 403, 201, json={"patient_id": "{patient_id}", "kind": "flap"}),
    ("GET", "/api/v1/notices"): own(401, 200, 200, 200),
    ("POST", "/api/v1/notices/read"): own(401, 200, 200, 200),
    ("GET", "/api/v1/audit/events"): own(401, 422, 422, 422, 422),
    ("GET", "/api/v1/audit/proof"): own(401, 403, 403, 200, 403),
}

# Last, because they change what the others ask about.
LAST: dict[tuple[str, str], Expect] = {
    # a question that was put on the way is still out
    ("POST", "/cases/{case_id}/close"): act(participant=409, result="healed"),
    ("POST", "/hospital/roster/{roster_id}/end"): Expect(401, 403, 403, 404, frozenset({303}), "coordinator"),
    ("POST", "/sign-out"): open_to_all(303),
}

MARK = {"frame": 1, "tool": "arrow", "points": [[1, 1], [5, 5]], "text": ""}
ANY = {"Accept": "*/*"}
SEARCHES = (
    "/studies",
    "/series",
    "/instances",
    "/studies/{study}/series",
    "/studies/{study}/instances",
    "/studies/{study}/series/{series}/instances",
)
ONE = "/studies/{study}/series/{series}/instances/{instance}"
DOORS = (
    *("/studies/{study}" + rest for rest in ("", "/metadata", "/thumbnail")),
    *("/studies/{study}/series/{series}" + rest for rest in ("", "/metadata", "/thumbnail")),
    *(ONE + rest for rest in ("", "/metadata", "/thumbnail", "/rendered", "/frames/{frames}")),
    *(ONE + rest for rest in ("/frames/{frame}/rendered", "/frames/{frame}/thumbnail")),
)
BULK = f"{ONE}/bulkdata/{{start}}/{{length}}"
SEEN = frozenset({200})

# A study of the case, by two ways: the case's own DICOMweb, and all that the caller may see.
IMAGES: dict[tuple[str, str], Expect] = {
    **{
        ("GET", "/dicomweb/cases/{case_id}" + path): Expect(401, 404, 404, 404, SEEN, "expert", headers=ANY) for path in (*SEARCHES, *DOORS)
    },
    **{("GET", "/dicomweb" + path): Expect(401, 200, 200, 200, SEEN, "expert", headers=ANY) for path in SEARCHES},
    **{("GET", "/dicomweb" + path): Expect(401, 404, 404, 404, SEEN, "nurse", headers=ANY) for path in DOORS},
    ("GET", f"/dicomweb/cases/{{case_id}}{BULK}"): Expect(401, 404, 404, 404, frozenset({404}), "expert", headers=ANY),
    ("GET", f"/dicomweb{BULK}"): Expect(401, 404, 404, 404, frozenset({404}), "expert", headers=ANY),
    ("POST", "/dicomweb/cases/{case_id}/studies"): Expect(401, 404, 404, 404, frozenset({415}), headers=ANY),
    ("POST", "/dicomweb/cases/{case_id}/studies/{study}"): Expect(401, 404, 404, 404, frozenset({415}), headers=ANY),
    ("POST", "/dicomweb/studies"): Expect(401, 415, 415, 415, frozenset({415}), headers=ANY),
    ("POST", "/dicomweb/studies/{study}"): Expect(401, 415, 415, 415, frozenset({415}), headers=ANY),
    ("GET", "/cases/{case_id}/pictures/{instance_id}/marked"): Expect(
        303, 404, 404, 404, SEEN, "expert", headers={"Accept": "image/*,*/*;q=0.8"}
    ),
    ("GET", "/api/v1/cases/{case_id}/annotations"): call("expert"),
    ("POST", "/api/v1/cases/{case_id}/annotations"): call("expert", 201, MARK | {"client_id": "{nothing}", "instance_id": "{instance_id}"}),
    ("PUT", "/api/v1/cases/{case_id}/annotations/{annotation_id}"): Expect(
        401,
        404,
        404,
        404,
        frozenset({404}),
        "expert",
        json={"tool": "arrow", "points": [[1, 1], [5, 5]], "text": ""},
        headers={"If-Match": '"1"'},
    ),
    ("DELETE", "/api/v1/cases/{case_id}/annotations/{annotation_id}"): Expect(
        401, 404, 404, 404, frozenset({404}), "expert", headers={"If-Match": '"1"'}
    ),
    ("OPTIONS", "/files"): open_to_all(204),
    ("OPTIONS", "/files/{upload_id}"): open_to_all(204),
    ("POST", "/files"): Expect(
        401,
        404,
        404,
        404,
        frozenset({201}),
        headers={"Tus-Resumable": "1.0.0", "Upload-Length": "9", "Upload-Metadata": "case_id {case_id_64}"},
    ),
    ("HEAD", "/files/{upload_id}"): call(participant=404),
    ("PATCH", "/files/{upload_id}"): Expect(
        401, 404, 404, 404, frozenset({404}), headers={"Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}
    ),
    ("DELETE", "/files/{upload_id}"): call(participant=404),
}

EXPECTATIONS = CASES | OTHERS | IMAGES | LAST
