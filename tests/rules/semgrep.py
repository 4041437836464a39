"""What the rules of semgrep.yml find (ruleid) and leave alone (ok). Nobody runs this."""

import hashlib
import hmac
import http.client
import logging
import pickle
import random
import subprocess
from pathlib import Path

import pydicom
from sqlalchemy import text
from starlette.responses import RedirectResponse

log = logging.getLogger("shanhai")


def pieces(db, name):
    # ruleid: sql-from-pieces
    db.execute(text(f"SELECT * FROM persons WHERE login = '{name}'"))
    words = "SELECT * FROM persons WHERE login = '%s'" % name
    # ruleid: sql-from-pieces
    db.connection().exec_driver_sql(words)
    # ok: sql-from-pieces
    db.execute(text("SELECT * FROM persons WHERE login = :login"), {"login": name})


def sent_words(request, db, form: Sent):
    word = text_of(form, "next")
    # ruleid: sent-word-into-sql
    db.execute(text(word))
    # ruleid: sent-word-into-a-path
    Path(word)
    # ruleid: sent-word-into-a-path
    open(request.headers["x-name"])
    # ok: sent-word-into-an-address
    see(local(word))
    # ruleid: sent-word-into-an-address
    return see(word)


def queries(request):
    # ruleid: sent-word-into-an-address
    return RedirectResponse(request.query_params["next"])


def markup(name):
    # ok: markup-from-pieces
    Markup("<br>")
    # ruleid: markup-from-pieces
    return Markup(name)


def secrets(digest, sent):
    # ok: secret-compared-in-the-open
    hmac.compare_digest(digest, sent)
    # ok: secret-compared-in-the-open
    Session.digest == sent
    # ruleid: secret-compared-in-the-open
    return digest == sent


def weak(data):
    # ok: weak-hash
    hashlib.sha256(data)
    # ok: weak-hash
    hashlib.md5(data, usedforsecurity=False)
    # ruleid: weak-hash
    return hashlib.sha1(data)


def chance(data, command):
    # ruleid: chance-for-a-secret
    random.choice("abc")
    # ok: chance-for-a-secret
    random.uniform(0.5, 1.5)
    # ruleid: bytes-that-run
    pickle.loads(data)
    # ok: bytes-that-run
    subprocess.run(["true"], check=True)
    # ruleid: bytes-that-run
    subprocess.run(command, shell=True)


def words(error, person):
    # ok: words-in-a-log-line
    log.info("sign-in of %s", person.id)
    # ruleid: words-in-a-log-line
    log.info(f"sign-in of {person.name}")
    # ruleid: words-in-a-log-line
    log.exception("it failed")


def forwarded(request):
    # ok: believes-a-forwarded-header
    request.headers.get("accept")
    # ruleid: believes-a-forwarded-header
    request.headers["X-Forwarded-For"]
    # ruleid: believes-a-forwarded-header
    return request.headers.get("x-real-ip", "")


def cookies(answer):
    # ok: cookie-without-its-guards
    answer.set_cookie("a", "b", secure=True, httponly=True, samesite="lax")
    # ruleid: cookie-without-its-guards
    answer.set_cookie("a", "b")


def certificates(context, client):
    # ruleid: certificate-not-looked-at
    context.check_hostname = False
    # ruleid: certificate-not-looked-at
    client.get("https://a.example", verify=False)
