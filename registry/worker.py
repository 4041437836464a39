"""The worker: which handler does which job, and what is done every few seconds.

It runs as a thread of an embedded server and as ``shanhai worker`` where one machine is outgrown; both do
the same work from the same rows.
"""

from pathlib import Path

from auth import agreements, blinding, challenges, documents, glass, machines, news, oidc, proposals, signin, throttle
from auth.outward import Caller
from core import checkpoints
from core.db import Database
from core.jobs import Handler, Worker
from core.settings import Settings
from imaging import intake, orphans, previews, uploads
from imaging.sandbox import Pool
from registry import (
    archive,
    arrivals,
    board,
    consents,
    deliveries,
    escalation,
    followups,
    independence,
    mail,
    matching,
    notices,
    patients,
    referrals,
    scans,
    telling,
    unagreed,
)
from registry.ways import Outside
from registry.web.letters import Letters

CHECKPOINT_SECONDS = 5.0
SWEEP_SECONDS = 600.0
HOUR_SECONDS = 3_600.0
DAY_SECONDS = 86_400.0


def lanes(pool: Pool) -> tuple[dict[str, Handler], dict[str, Handler]]:
    """Every kind of job and what does it: images, which ``pool`` parses and which take minutes, and all else, which takes an instant.

    In lanes of their own, for a call for help must not wait behind a CT.
    """
    images = {**intake.handlers(pool, expected=matching.expected), **previews.handlers(pool)}
    short: dict[str, Handler] = {
        arrivals.ARRIVED: arrivals.tell,
        board.RECHECK: board.recheck,
        escalation.OVERDUE: escalation.overdue,
        consents.WITHDRAWN: referrals.consent_withdrawn,
        blinding.LIFTED: independence.unblinded,
        patients.AMENDED: board.person_changed,
        signin.REFUSED: signin.log_refusal,
        news.TELL: notices.told,
        proposals.EXPIRE: proposals.expire,
        glass.REMIND: glass.remind,
    }
    return images, short


def outside(settings: Settings) -> Outside:
    """The ways out of the house that a deployment has."""
    server = mail.Server(settings.smtp_url, settings.mail_from) if settings.smtp_url else None
    return Outside(server, Caller(at_home=settings.on_loopback, inside=settings.webhook_inside), Letters(settings.base_url))


def worker(database: Database, pool: Pool, checkpoint_dir: Path, ways: Outside) -> Worker:
    """A worker over ``database``; checkpoints go to ``checkpoint_dir`` within ten seconds of growth.

    Mail and webhooks wait for servers of others: in lanes of their own, so that neither holds up anything else.
    """

    def push(_: Database) -> object:
        return checkpoints.push_grown(database, checkpoint_dir)

    periodic = [
        (CHECKPOINT_SECONDS, push),
        (SWEEP_SECONDS, sweep),
        (SWEEP_SECONDS, patients.fill),
        (HOUR_SECONDS, remind),
        (DAY_SECONDS, orphans.sweep),
        (DAY_SECONDS, documents.sweep),
        (DAY_SECONDS, deliveries.sweep),
        (DAY_SECONDS, scans.sweep),
        (DAY_SECONDS, archive.sweep),
    ]
    images, short = lanes(pool)
    deciding = {**short, **telling.planner(ways)}
    return Worker(database, images, deciding, telling.postman(ways), telling.courier(ways), periodic=periodic)


def remind(database: Database) -> None:
    """Tell administrators in time what runs out, and again what is still missing; ask surgeons how patients are doing."""
    agreements.remind(database)
    machines.remind(database)
    unagreed.chase(database)
    followups.remind(database)


def sweep(database: Database) -> None:
    """Forget what has run its time: full throttle buckets, sign-ins that came to nothing, uploads nobody finished, challenges
    nobody answered.

    And ask again for uploads that came whole and were left lying.
    """
    with database.begin() as db:
        throttle.sweep(db)
        signin.sweep(db)
        oidc.sweep(db)
        challenges.sweep(db)
    uploads.expire(database)
    uploads.ask_again(database)
