"""The second wall: which organisation PostgreSQL itself shows which rows, whatever a query of ours asks for.

Row-level security, from the one table below. A transaction says for whom it acts (`core.db`): an organisation
reaches what it owns and the cases it has been let into, the system everything, nobody nothing. Coarse on purpose,
hospital against hospital: people and roles are the first wall (`auth.policy`). ``put_up`` brings every policy and
every right of the application's role to what stands here, in the transaction of a migration; ``check`` refuses to
serve when they are not so, or when the role could walk around them. SQLite has none of this.

A right may be withdrawn and then be written about in one transaction, and clocks differ: a grant counts here until
a minute after its end. Sources: PostgreSQL 16, §5.8 Row Security Policies, CREATE POLICY.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256

from sqlalchemy import Connection, text

from auth import news
from core.db import ACTING, SYSTEM, Database
from core.errors import Unavailable

log = logging.getLogger("shanhai.walls")

SLACK = "interval '1 minute'"
_ACTING = f"current_setting('{ACTING}', true)"
# as sub-selects: worked out once a statement, not once a row
_SYSTEM = f"(SELECT {_ACTING}) = '{SYSTEM}'"
_ME = f"(SELECT nullif(nullif({_ACTING}, ''), '{SYSTEM}')::uuid)"
# in the policies of grants, which those of other tables ask, a sub-select would count as endless recursion
_ME_ANEW = f"nullif(nullif({_ACTING}, ''), '{SYSTEM}')::uuid"
_LIVE = (
    f"g.grantee_organisation_id = {_ME} AND g.expires_at > now() - {SLACK} "
    f"AND (g.revoked_at IS NULL OR g.revoked_at BETWEEN now() - {SLACK} AND statement_timestamp() + {SLACK})"
)
_HOST = f"EXISTS (SELECT FROM grants g WHERE g.organisation_id = {{t}}.organisation_id AND {_LIVE})"
_HOME = (
    "EXISTS (SELECT FROM memberships m JOIN people p ON p.id = m.person_id "
    f"WHERE m.organisation_id = {_ME} AND p.organisation_id = {{t}}.organisation_id)"
)

OWN = f"{{t}}.organisation_id = {_ME}"
"""The organisation's own rows."""
GUEST = f"EXISTS (SELECT FROM grants g WHERE g.case_id = {{t}}.case_id AND g.organisation_id = {{t}}.organisation_id AND {_LIVE})"
"""Rows of a case that another organisation has let this one into."""
CASE = f"{OWN} OR {GUEST}"
NEAR = f"{OWN} OR {_HOST} OR {_HOME}"
"""Rows of an organisation that lets this one into some case, or is the home of somebody who works here."""
MINE = f"EXISTS (SELECT FROM memberships m WHERE m.person_id = {{t}}.person_id AND m.organisation_id = {_ME})"
"""Rows of a person who works here."""


def _by(table: str, column: str, key: str = "id") -> str:
    """Rows of something in another table that is seen: that table's own wall is asked."""
    return f"EXISTS (SELECT FROM {table} x WHERE x.{key} = {{t}}.{column})"


@dataclass(frozen=True, slots=True)
class Wall:
    """Whose rows of a table may be seen, added, changed and removed. What is empty, the application may do to none."""

    why: str
    sees: str
    adds: str = ""
    changes: str = ""
    removes: str = ""
    becomes: str = ""
    """What a changed row must be afterwards, where that is more than whose may be changed."""
    columns: tuple[str, ...] = ()
    """The only columns that change, where not all do."""

    def commands(self) -> dict[str, str]:
        """Each allowed SQL command with its condition."""
        pairs = {"SELECT": self.sees, "INSERT": self.adds, "UPDATE": self.changes, "DELETE": self.removes}
        return {command: condition for command, condition in pairs.items() if condition}


_GRANTS = f"{{t}}.organisation_id = {_ME_ANEW} OR {{t}}.grantee_organisation_id = {_ME_ANEW}"
_EVENTS = f"{OWN} OR {{t}}.actor_organisation_id = {_ME}"
_WRITER = f"{{t}}.author_organisation_id = {_ME}"
_PARTY = f"{OWN} OR {{t}}.to_organisation_id = {_ME}"
_SIGNED = _by("opinions", "organisation_id", "author_organisation_id")
_BOTH = f"{_by('cases', '@', 'patient_id')} OR {_by('cases', '@', 'came_from_id')}"  # before a merge, and after it
_KEYS = (
    f"{OWN} OR CASE {{t}}.kind WHEN 'organisation' THEN {_HOST} OR {_HOME} OR {_SIGNED} "
    f"WHEN 'records' THEN {_HOME} WHEN 'signing' THEN {_SIGNED} "
    f"WHEN 'case' THEN {_by('cases', 'unit_id')} WHEN 'patient' THEN {_BOTH.replace('@', 'unit_id')} "
    f"WHEN 'study' THEN {_by('studies', 'unit_id')} OR {_by('instances', 'unit_id', 'key_id')} ELSE false END"
)

WALLS = {
    # the log: append-only, except its heads
    "audit_events": Wall(
        "a hospital's log, and what its own people did in the logs of others; nobody writes in another's name",
        _EVENTS,
        f"({NEAR}) AND ({{t}}.actor_organisation_id = {_ME} OR EXISTS "
        f"(SELECT FROM memberships m WHERE m.person_id = {{t}}.actor_id AND m.organisation_id = {_ME}))",
    ),
    "audit_event_patients": Wall("as the event", _by("audit_events", "event_id"), _by("audit_events", "event_id")),
    "audit_leaves": Wall("as the event", f"{OWN} OR {_by('audit_events', 'event_id')}", _by("audit_events", "event_id")),
    "audit_heads": Wall("a visitor's act grows the log of the hospital visited", NEAR, NEAR, NEAR),
    # keys
    "wrapped_keys": Wall(
        "a visitor unwraps the keys of the case, its patient and its studies, whoever reads an opinion the signer's; only owners make keys",
        _KEYS,
        OWN,
        OWN,
    ),
    # patients and cases
    "patients": Wall("a visitor may see identity; the first wall says who", f"{OWN} OR {_BOTH.replace('@', 'id')}", OWN, OWN),
    "patient_indexes": Wall("patients are looked for at home alone", OWN, OWN, removes=OWN),
    "patient_shards": Wall("patients are looked for at home alone", OWN, OWN, OWN),
    "patient_merges": Wall("who was merged with whom is the hospital's own business", OWN, OWN, OWN),
    "case_counters": Wall("how many cases a hospital has is its own business", OWN, OWN, OWN),
    "cases": Wall("an opinion moves the case on", CASE.replace("{t}.case_id", "{t}.id"), OWN, CASE.replace("{t}.case_id", "{t}.id")),
    "grants": Wall(
        "both sides see a grant; the hospital let in passes it on inside its own house, and can only end it",
        _GRANTS,
        f"{{t}}.organisation_id = {_ME} OR {{t}}.grantee_organisation_id = {_ME} AND "
        "EXISTS (SELECT FROM cases x WHERE x.id = {t}.case_id AND x.organisation_id = {t}.organisation_id)",
        _GRANTS,
        becomes=f"{{t}}.organisation_id = {_ME_ANEW} OR {{t}}.grantee_organisation_id = {_ME_ANEW} AND {{t}}.revoked_at IS NOT NULL",
        columns=("revoked_at", "revoked_because"),
    ),
    "blindings": Wall(
        "advisers are blind by it, and the last who answers ends it", CASE, OWN, CASE, columns=("since", "lifted_at", "lifted_because")
    ),
    "restrictions": Wall("what a visitor does is told to the team alone", CASE, OWN, OWN),
    "restriction_team": Wall("what a visitor does is told to the team alone", CASE, OWN, OWN),
    "broken_glass": Wall("who broke the glass is looked into at home", OWN, OWN, OWN),
    # what is written in a case
    "entries": Wall("the treating hospital's record, never overwritten", CASE, OWN),
    "entry_reviews": Wall("advisers see that a senior has yet to countersign an entry", CASE, OWN, OWN, columns=("state",)),
    "entry_review_steps": Wall("advisers see who countersigned; what was said stays", CASE, OWN),
    "consents": Wall("the treating hospital's, never overwritten", CASE, OWN),
    "consent_scans": Wall("signed sheets, for whoever may see identity; the first wall says who", CASE, OWN),
    "decisions": Wall("the treating hospital's, never overwritten", CASE, OWN),
    "visits": Wall("the treating hospital's plan, which advisers see", CASE, OWN, OWN, OWN),
    "drafts": Wall("advisers draft opinions", CASE, CASE, CASE, CASE),
    "messages": Wall("both sides talk; what was said stays", CASE, CASE),
    "message_marks": Wall("how far a person has read", MINE, MINE, MINE),
    "opinions": Wall("advisers sign, and what is signed stays", CASE, CASE),
    "countersignatures": Wall("advisers countersign, and what is signed stays", CASE, CASE),
    "joinings": Wall(
        "experts of several hospitals join what one of them signed",
        CASE,
        CASE,
        CASE,
        columns=("state", "decided_at", "document", "signature", "public_key", "words"),
    ),
    "presentations": Wall(
        "the asker learns for whom an opinion waits and may take the question back; no third hospital knows of it",
        f"{OWN} OR ({_WRITER}) AND ({GUEST})",
        f"({_WRITER}) AND ({CASE})",
        f"{OWN} OR ({_WRITER}) AND ({GUEST})",
        columns=("senior_id", "state", "decided_at", "words"),
    ),
    "referrals": Wall("the asker asks, the hospital asked moves the question on", CASE, OWN, CASE),
    "referral_steps": Wall("as the referral", _by("referrals", "referral_id"), _by("referrals", "referral_id")),
    "notices": Wall("told by whoever is in the case, read by the person", MINE, CASE, MINE),
    "notice_preferences": Wall("how a person wants to be told", MINE, MINE, MINE),
    "push_subscriptions": Wall(
        "a person's own browsers, sealed by the hospital where they said so", f"{OWN} OR {MINE}", f"{OWN} AND {MINE}", f"{OWN} OR {MINE}"
    ),
    "hooks": Wall("where a hospital has its own systems told, sealed", OWN, OWN, OWN),
    "deliveries": Wall("what was told outside, of one's own people and to one's own systems", OWN, OWN, OWN, OWN),
    # between hospitals
    "agreements": Wall(
        "the two parties know of it",
        _PARTY.replace("to_organisation_id", "other_id"),
        OWN,
        _PARTY.replace("to_organisation_id", "other_id"),
    ),
    "agreement_documents": Wall("each side its own copy; only the system archives both at once", OWN, OWN),
    "unagreed_referrals": Wall("both hospitals are told", _PARTY, OWN, _PARTY),
    "invitations": Wall("made out at home, to an address and a code; only the system takes one", OWN, OWN, OWN),
    "retention_rules": Wall("how long a hospital keeps its records", OWN, OWN, OWN),
    "legal_holds": Wall(
        "why a hospital keeps a case whatever its rule says",
        OWN,
        OWN,
        OWN,
        columns=("lifted_at", "lifted_by", "lift_reason"),
    ),
    "proposals": Wall("what a hospital's administrators change among themselves", OWN, OWN, OWN),
    # pictures
    "studies": Wall("pictures come from the treating hospital", CASE, OWN, OWN, OWN),
    "series": Wall("pictures come from the treating hospital", CASE, OWN, OWN, OWN),
    "instances": Wall("pictures come from the treating hospital", CASE, OWN, OWN, OWN),
    "uploads": Wall("pictures come from the treating hospital", OWN, OWN, OWN),
    "image_parts": Wall("as the picture they make up", f"{OWN} OR {_by('instances', 'body_id', 'body_id')}", OWN, removes=OWN),
    "renditions": Wall("as the picture", f"{OWN} OR {_by('instances', 'instance_id')}", OWN, OWN, OWN),
    "annotations": Wall("both sides draw", CASE, CASE, CASE),
    "annotation_versions": Wall("both sides draw; no version is overwritten", CASE, CASE),
    # work
    "jobs": Wall(
        "a visitor's act asks for work at the hospital visited, and anybody's that people be told; ids only",
        NEAR,
        f"{NEAR} OR {_ME} IS NOT NULL AND {{t}}.kind = '{news.TELL}'",
        NEAR,
        NEAR,
    ),
}
"""Every table that holds or leads to what is in a record."""

OPEN = {
    "organisations": "names of hospitals, for whoever refers",
    "machines": "a title and a certificate are one machine's of the whole deployment",
    "people": "names and telephone numbers stand beside what they did, in every hospital they did it for",
    "memberships": "says who may be asked, and is asked by the policies themselves",
    "passwords": "looked up before anybody is known; hashes",
    "factors": "looked up before anybody is known; sealed under a key behind the wall",
    "enrolments": "looked up by a digest before anybody is known",
    "devices": "looked up by a digest before anybody is known; public keys",
    "pins": "looked up before anybody is known; hashes",
    "passkeys": "looked up by what a browser shows, before anybody is known; public keys",
    "challenges": "looked up by a digest before anybody is known",
    "recovery_codes": "looked up by a digest before anybody is known",
    "sign_ins": "looked up by a digest before anybody is known",
    "sessions": "looked up by a digest before anybody is known",
    "tokens": "looked up by a digest before anybody is known",
    "identity_providers": "named on the sign-in page; their secrets are sealed under a key behind the wall",
    "account_links": "looked up by what a provider says, before anybody is known",
    "oidc_ceremonies": "looked up by a digest before anybody is known",
    "rosters": "who is on duty is worked out for partner hospitals too, before anything is referred; of staff, not of patients",
    "roster_versions": "who is on duty is worked out for partner hospitals too, before anything is referred; of staff, not of patients",
    "roster_covers": "who is on duty is worked out for partner hospitals too, before anything is referred; of staff, not of patients",
    "roster_absences": "who is on duty is worked out for partner hospitals too, before anything is referred; of staff, not of patients",
    "trainings": "whether a senior can countersign is worked out for the hospital that waits too; of staff, not of patients",
    "throttle": "counts tries of whoever it was",
}
"""Every table without a wall, and why: accounts, which have to be read before anybody is known, and hospitals."""


def put_up(connection: Connection, application: str | None = None) -> None:
    """Bring policies, and the rights of the role ``application`` if it is not the owner, to what the table says."""
    if connection.dialect.name != "postgresql":
        return
    take_down(connection)
    made = {}
    for table, command, sql in _policies():
        connection.exec_driver_sql(sql)
        made[table, _name(command)] = _digest(sql)
    for table in WALLS:
        connection.exec_driver_sql(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY")
    for table, name, shape, _ in connection.execute(text(_STANDING_POLICIES)).all():
        connection.exec_driver_sql(f"COMMENT ON POLICY {name} ON {table} IS '{made[table, name]} {shape}'")
    if application is not None and application != connection.scalar(text("SELECT current_user")):
        _give_rights(connection, application)


def take_down(connection: Connection) -> None:
    """Drop every policy, so that a migration may change what they speak of; rows stay hidden until ``put_up``.

    Not to the owner of the tables, as which a migration changes what lies in them.
    """
    if connection.dialect.name == "postgresql":
        for table in connection.scalars(text(_FORCED)).all():
            connection.exec_driver_sql(f'ALTER TABLE "{table}" NO FORCE ROW LEVEL SECURITY')
        for table, name in connection.execute(text("SELECT tablename, policyname FROM pg_policies WHERE schemaname = 'public'")).all():
            connection.exec_driver_sql(f'DROP POLICY "{name}" ON "{table}"')


def role(database: Database) -> str | None:
    """The role the database is met as; None on SQLite, which has none."""
    if database.engine.dialect.name != "postgresql":
        return None
    with database.begin(readonly=True) as db:
        return str(db.scalar(text("SELECT current_user")))


def check(database: Database) -> None:
    """Refuse a database whose wall is not as the table says, or whose role no wall holds.

    Raises Unavailable with the cure. A role that owns the tables is held by FORCE and could undo it: a warning.
    """
    if database.engine.dialect.name != "postgresql":
        return
    with database.at_the_edge().begin(readonly=True) as db:
        over, default, owner = db.execute(text(_STANDING), {"acting": ACTING}).one()
        standing = {(table, name): (shape, said) for table, name, shape, said in db.execute(text(_STANDING_POLICIES))}
    if over:
        raise Unavailable("database-role-over-walls", cure="connect as a role that is neither superuser nor BYPASSRLS (docs/operations.md)")
    if default:
        raise Unavailable("database-acting-preset", cure=f"ALTER ROLE and ALTER DATABASE must not set {ACTING}: RESET it")
    planned = {(table, _name(command)): _digest(sql) for table, command, sql in _policies()}
    if standing.keys() != planned.keys() or any(said != f"{planned[which]} {shape}" for which, (shape, said) in standing.items()):
        raise Unavailable("walls-down", cure="run: shanhai migrate")
    if owner:
        log.warning(
            "THE DATABASE ROLE OF THE SERVER OWNS ITS TABLES and could take the wall between hospitals down. "
            "Give the server a role of its own (docs/operations.md)."
        )


_FORCED = "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relforcerowsecurity"
_STANDING = """
    SELECT rolsuper OR rolbypassrls, coalesce(current_setting(:acting, true), '') <> '',
           EXISTS (SELECT FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND pg_has_role(relowner, 'USAGE'))
    FROM pg_roles WHERE rolname = current_user
"""
# Those that work: a policy of a table that does not ask its policies is none. PostgreSQL writes a condition in words of its
# own, so put_up notes the digest of ours and of theirs beside it.
_STANDING_POLICIES = """
    SELECT relname, polname, md5(concat_ws('|', polcmd, polpermissive, polroles::text, coalesce(pg_get_expr(polqual, polrelid), ''),
           coalesce(pg_get_expr(polwithcheck, polrelid), ''))), obj_description(pg_policy.oid, 'pg_policy')
    FROM pg_policy JOIN pg_class ON pg_class.oid = polrelid
    WHERE relnamespace = 'public'::regnamespace AND relrowsecurity AND relforcerowsecurity
"""


def _policies() -> Iterator[tuple[str, str, str]]:
    """Each table and command with the statement that makes its policy."""
    for table, wall in WALLS.items():
        for command, condition in wall.commands().items():
            using, check = (
                f"({_told(table, told)})" for told in (condition, wall.becomes if command == "UPDATE" and wall.becomes else condition)
            )
            clause = {"INSERT": f"WITH CHECK {check}", "UPDATE": f"USING {using} WITH CHECK {check}"}.get(command, f"USING {using}")
            yield table, command, f"CREATE POLICY {_name(command)} ON {table} FOR {command} {clause}"


def _told(table: str, condition: str) -> str:
    system = f"{_ACTING} = '{SYSTEM}'" if condition in (_GRANTS, WALLS["grants"].becomes) else _SYSTEM
    return f"{system} OR ({condition.replace('{t}', table)})"


def _give_rights(connection: Connection, application: str) -> None:
    to = connection.dialect.identifier_preparer.quote_identifier(application)
    connection.exec_driver_sql(f"REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {to}")
    connection.exec_driver_sql(f"GRANT SELECT ON alembic_version TO {to}")
    for table, wall in WALLS.items():
        only = f" ({', '.join(wall.columns)})" if wall.columns else ""
        rights = ", ".join(command + only * (command == "UPDATE") for command in wall.commands())
        connection.exec_driver_sql(f"GRANT {rights} ON {table} TO {to}")
    for table in OPEN:
        connection.exec_driver_sql(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO {to}")


def _name(command: str) -> str:
    return f"wall_{command.lower()}"


def _digest(sql: str) -> str:
    return sha256(sql.encode()).hexdigest()
