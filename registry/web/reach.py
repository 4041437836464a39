"""Who can see this case, and why: sentences, computed from what the decision itself rests on (`registry.reach`)."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response

from auth import policy
from auth.grants import Grant
from auth.rules import Way
from registry import cases, reach
from registry.reach import Let, Reach, Why
from registry.web.case import banner
from registry.web.edge import Db, Me
from registry.web.moments import Clock
from registry.web.pages import render
from registry.web.translations import language_of, translate
from registry.web.who import Names

router = APIRouter(include_in_schema=False)


@router.get("/cases/{case_id}/people")
def people(request: Request, db: Db, me: Me, case_id: UUID, person: UUID | None = None) -> Response:
    """Who can see this case; and of one person, why."""
    found = reach.of_case(db, me, case_id)
    names, when = Names(db, language_of(request)), Clock(language_of(request), me.time_zone)
    teller = Teller(found, names, when)
    context: dict[str, Any] = {
        "found": found,
        "names": names,
        "lets": [teller.let(one) for one in found.lets],
        "candidates": [(names.hospital(place), members) for place, members in reach.candidates(db, found.case).items()],
        "person": person,
        "told": [teller.why(person, one) for one in reach.why(db, found.case, person)] if person else [],
    }
    if not policy.allowed(db, me, "case:read", organisation_id=me.organisation_id, case_id=case_id):
        return render(request, "audit/people.html", **context)
    shown = banner(request, db, me, cases.reach(db, me, case_id, "case:read"))
    return render(request, "case/people.html", **(shown | context))


@dataclass(frozen=True, slots=True)
class Teller:
    """Says in one language why somebody can see a case."""

    found: Reach
    names: Names
    when: Clock

    def let(self, one: Let) -> tuple[str, str]:
        """A grant that holds: whom it lets in, and the rest of it."""
        grant = one.grant
        whom = (
            self.names.byline(grant.person_id) if grant.person_id else self._t(f"reach-everybody-{grant.role}", hospital=self._there(grant))
        )
        return whom, " ".join((self._given(one), self._t("reach-with-identity" if grant.sees_identity else "reach-without-identity")))

    def why(self, person_id: UUID, one: Why) -> list[str]:
        """The sentences about one person, as they work in one hospital."""
        who = {"name": self.names.person(person_id), "hospital": self.names.hospital(one.organisation_id)}
        if one.obstacle is not None:
            at = (one.ended.revoked_at or one.ended.expires_at) if one.ended else None
            return [self._t(f"reach-not-{one.obstacle}", at=self.when.both(at) if at else "", **who)]
        told = [self._way(person_id, way, who) for way in one.ways]
        if one.identity:
            return [*told, self._t("reach-identity", **who)]
        blind = any(isinstance(way.grant, Grant) and way.role == "expert" for way in one.ways)
        return [*told, self._t("reach-identity-hidden" if blind else "reach-identity-role", **who)]

    def _way(self, person_id: UUID, way: Way, who: dict[str, str]) -> str:
        role = self._t(f"role-{way.role}")
        if way.grant is not None:
            let = next(one for one in self.found.lets if one.grant is way.grant)
            key = "reach-because-named" if let.grant.person_id else "reach-because-asked"
            return " ".join((self._t(key, role=role, **who), self._given(let)))
        broken = next((one for one in self.found.broken if one.person_id == person_id), None)
        until = self.when.both(broken.until) if broken and way.relation == "glass" else ""
        return self._t(f"reach-because-{way.relation}", role=role, until=until, **who)

    def _given(self, one: Let) -> str:
        """Which question gave a grant, by whom, and until when it holds."""
        grant, until = one.grant, self.when.exact(one.grant.expires_at)
        by = self.names.person(grant.given_by)
        if one.referral is None:
            return self._t("reach-given", by=by, until=until)
        return self._t("reach-given-by-question", by=by, asked=self.when.exact(one.referral.requested_at), until=until)

    def _there(self, grant: Grant) -> str:
        return self.names.hospital(grant.grantee_organisation_id)

    def _t(self, key: str, **params: str) -> str:
        return translate(self.when.language, key, **params)
