"""Gateways: what leaves, in each form, and how it is signed; against the vector of the specification."""

import base64
import hashlib
import hmac
import json
from urllib.parse import parse_qs, urlsplit

import pytest

from core import ids
from registry import gateways
from registry.gateways import Event

EVENT = Event(
    "019b0000", "referral-requested", ids.now(), {"case_number": "ARL-1", "urgency": "emergency"}, '【山海】 "特急" \\ ARL-1', "13800000000"
)


def test_the_vector_of_standard_webhooks() -> None:
    secret, body = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", b'{"test": 2432232314}'
    assert gateways.signature(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body) == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_standard_is_signed_over_what_is_sent() -> None:
    secret, now = gateways.new_secret(), ids.now()
    made = gateways.request("standard", EVENT, url="https://x.example/in", secret=secret, template="", now=now)
    assert json.loads(made.body) == {"type": "referral.requested", "timestamp": EVENT.at.isoformat(), "data": dict(EVENT.data)}
    assert made.headers["webhook-id"] == EVENT.id
    assert made.headers["webhook-timestamp"] == str(int(now.timestamp()))
    signed = f"{EVENT.id}.{int(now.timestamp())}.".encode() + made.body
    digest = hmac.new(base64.b64decode(secret.removeprefix("whsec_")), signed, hashlib.sha256).digest()
    assert made.headers["webhook-signature"] == f"v1,{base64.b64encode(digest).decode()}"
    assert len(base64.b64decode(secret.removeprefix("whsec_"))) == 32


def test_the_robots_of_wecom_and_dingtalk() -> None:
    now = ids.now()
    url = "https://oapi.dingtalk.com/robot/send?access_token=abc"
    told = {"msgtype": "text", "text": {"content": EVENT.line}}
    wecom = gateways.request("wecom", EVENT, url="https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=k", secret="", template="", now=now)
    assert (wecom.url, json.loads(wecom.body)) == ("https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=k", told)
    dingtalk = gateways.request("dingtalk", EVENT, url=url, secret="SECabc", template="", now=now)
    asked = parse_qs(urlsplit(dingtalk.url).query)
    assert json.loads(dingtalk.body) == told
    assert asked["access_token"] == ["abc"]
    assert asked["timestamp"] == [str(int(now.timestamp() * 1000))]
    digest = hmac.new(b"SECabc", f"{asked['timestamp'][0]}\nSECabc".encode(), hashlib.sha256).digest()
    assert asked["sign"] == [base64.b64encode(digest).decode()]


def test_a_text_message_fills_a_template_that_no_word_breaks() -> None:
    template = '{"to": ["{phone}"], "body": {"content": "{text}"}, "n": 1, "ref": "{id}"}'
    made = gateways.request("sms", EVENT, url="https://sms.example/send", secret="key", template=template, now=ids.now())
    assert json.loads(made.body) == {"to": [EVENT.phone], "body": {"content": EVENT.line}, "n": 1, "ref": EVENT.id}
    assert made.headers["Authorization"] == "Bearer key"
    open_gateway = gateways.request("sms", EVENT, url="https://sms.example/send", secret="", template=template, now=ids.now())
    assert "Authorization" not in open_gateway.headers


@pytest.mark.parametrize(
    ("form", "answer", "taken"),
    [
        ("wecom", b'{"errcode": 0, "errmsg": "ok"}', True),
        ("wecom", b'{"errcode": 93000, "errmsg": "invalid webhook url"}', False),
        ("dingtalk", b'{"errcode": 310000}', False),
        ("dingtalk", b"", False),
        ("wecom", b"[0]", False),
        ("standard", b"anything", True),
        ("sms", b"", True),
    ],
)
def test_what_an_answer_means(form: str, answer: bytes, taken: bool) -> None:
    assert gateways.took(form, answer) is taken


@pytest.mark.parametrize(
    ("form", "secret", "good"),
    [
        ("dingtalk", "SEC0123", True),
        ("dingtalk", "", False),
        ("wecom", "", True),
        ("sms", "", True),
        ("sms", "k\r\nX: y", False),
        ("sms", "钥匙", False),
    ],
)
def test_which_secrets_can_be_one(form: str, secret: str, good: bool) -> None:
    assert gateways.is_secret(form, secret) is good


@pytest.mark.parametrize(
    ("template", "good"),
    [(gateways.TEMPLATE, True), ('{"a": "{phone}"}', False), ('["{phone}{text}"]', False), ("{phone} {text}", False), ("[" * 5000, False)],
)
def test_which_templates_can_be_one(template: str, good: bool) -> None:
    assert gateways.is_template(template) is good
