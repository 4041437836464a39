"""Arrivals: pictures that come to a case are news to whoever is at work on it, above all to who has advised already.

An opinion rests on the pictures that stood when it was signed. What comes later changes nothing about it, but its
author has to hear of it, and may add to it.
"""

from uuid import UUID

from core.db import Database
from core.jobs import Job
from imaging.filing import ARRIVED
from registry import audience, notices, opinions
from registry.cases import Case

__all__ = ["ARRIVED", "tell"]


def tell(database: Database, job: Job) -> None:
    """The job that `imaging.filing` asks for: one notice for the pictures of a minute, to everybody but who brought them."""
    with database.begin() as db:
        case = db.get_one(Case, UUID(str(job.payload["case_id"])))
        if case.state in ("draft", "closed"):
            return
        by = UUID(str(job.payload["by"])) if job.payload.get("by") else None
        concerned = audience.participants(db, case)
        advised = concerned & opinions.experts(db, case)
        notices.tell(db, concerned - advised, "pictures-added", case, but=by)
        notices.tell(db, advised, "pictures-since-opinion", case, but=by)
