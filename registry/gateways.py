"""Gateways: in which form a message leaves for a hospital's own systems, signed as each of them asks.

``standard`` follows Standard Webhooks 1.0 (standardwebhooks.com): ``webhook-id``, ``webhook-timestamp`` and
``webhook-signature``, v1, HMAC-SHA256 over ``id.timestamp.body`` with the bytes of the secret. ``wecom`` and
``dingtalk`` are the group robots of WeCom and DingTalk, whose address is itself a secret; DingTalk signs milliseconds
and secret. ``sms`` is a gateway for text messages: JSON of the hospital's own making, one request per telephone.
Both robots answer 200 to whatever they refuse: what they say counts.
"""

import base64
import datetime as dt
import hmac
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any
from urllib.parse import quote_plus

FORMS = ("standard", "wecom", "dingtalk", "sms")
GENERATED = frozenset({"standard"})
"""The forms whose secret is made here; the others' are made where the messages go."""
PREFIX = "whsec_"
SECRET_BYTES = 32
PHONE, TEXT, ID = "{phone}", "{text}", "{id}"
TEMPLATE = '{"mobile": "{phone}", "content": "{text}", "id": "{id}"}'
JSON_TYPE = {"Content-Type": "application/json; charset=utf-8"}


@dataclass(frozen=True, slots=True)
class Event:
    """What happened, for a machine and as one line for a person. Nothing in it is about a patient but the case's number."""

    id: str
    kind: str
    at: dt.datetime
    data: Mapping[str, str | None]
    line: str
    phone: str = ""


@dataclass(frozen=True, slots=True)
class Request:
    """What is posted."""

    url: str
    body: bytes
    headers: Mapping[str, str]


def new_secret() -> str:
    """A secret for ``standard``: 256 bits, as the specification writes them."""
    return PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def signature(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """The ``webhook-signature`` of a body (Standard Webhooks, "Signature scheme")."""
    key = base64.b64decode(secret.removeprefix(PREFIX))
    signed = f"{message_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, signed, sha256).digest()).decode()


def request(form: str, event: Event, *, url: str, secret: str, template: str, now: dt.datetime) -> Request:
    """The request that tells ``event`` in this form. ``now`` is when it is sent: each attempt is signed anew."""
    match form:
        case "standard":
            told = {"type": event.kind.replace("-", ".", 1), "timestamp": event.at.isoformat(), "data": dict(event.data)}
            body, seconds = _json(told), int(now.timestamp())
            marks = {
                "webhook-id": event.id,
                "webhook-timestamp": str(seconds),
                "webhook-signature": signature(secret, event.id, seconds, body),
            }
            return Request(url, body, {**JSON_TYPE, **marks})
        case "wecom":
            return Request(url, _json({"msgtype": "text", "text": {"content": event.line}}), JSON_TYPE)
        case "dingtalk":
            body = _json({"msgtype": "text", "text": {"content": event.line}})
            return Request(url + _dingtalk(secret, int(now.timestamp() * 1000)), body, JSON_TYPE)
        case "sms":
            bearer = {"Authorization": f"Bearer {secret}"} if secret else {}
            return Request(url, _filled(template, event), {**JSON_TYPE, **bearer})
    raise ValueError(form)


def took(form: str, answer: bytes) -> bool:
    """Whether what came back with a status of 2xx says that the message was taken."""
    if form not in ("wecom", "dingtalk"):
        return True
    try:
        return bool(json.loads(answer)["errcode"] == 0)
    except (ValueError, KeyError, TypeError, RecursionError):
        return False


def is_secret(form: str, secret: str) -> bool:
    """Whether a secret that somebody typed can be one for this form."""
    return all(33 <= ord(sign) < 127 for sign in secret) and (bool(secret) or form != "dingtalk")


def is_template(template: str) -> bool:
    """Whether a template is a JSON object that says where telephone and text go."""
    try:
        told = json.loads(template)
    except (ValueError, RecursionError):
        return False
    return isinstance(told, dict) and PHONE in template and TEXT in template


def _dingtalk(secret: str, milliseconds: int) -> str:
    """What DingTalk wants after its robot's address: the time, and the HMAC of time and secret."""
    signed = hmac.new(secret.encode(), f"{milliseconds}\n{secret}".encode(), sha256).digest()
    return f"&timestamp={milliseconds}&sign={quote_plus(base64.b64encode(signed))}"


def _filled(template: str, event: Event) -> bytes:
    """The template with its places filled in after it was parsed: no word can break out of its string."""

    def fill(value: Any) -> Any:
        if isinstance(value, str):
            return value.replace(PHONE, event.phone).replace(ID, event.id).replace(TEXT, event.line)
        if isinstance(value, dict):
            return {key: fill(one) for key, one in value.items()}
        return [fill(one) for one in value] if isinstance(value, list) else value

    return _json(fill(json.loads(template)))


def _json(told: Any) -> bytes:
    return json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode()
