"""Mail: over TLS or not at all, and what a server's answer means; against a real server."""

from email.utils import parsedate_to_datetime
from urllib.parse import quote

import pytest

from core import ids
from core.errors import Invalid, Unavailable
from registry.mail import Letter, Server
from tests import engines
from tests.identity import Authority
from tests.mailbox import LOGIN, PASSWORD, Mailbox, mailbox

LETTER = Letter(
    "019b-key", '陈浩, "the" <Expert>', "chen.hao@hospital.example", "zh", "【山海】 特急 · 有一份会诊分派给您", "陈浩，您好：\n\n请看。\n"
)


def server(box: Mailbox, scheme: str, authority: Authority | None = None, *, user: str = "") -> Server:
    """The product's side of it."""
    tls = authority.trusting if authority else None
    return Server(f"{scheme}://{user}127.0.0.1:{box.port}", "Shanhai <shanhai@example.org>", tls)


def why(to: Server) -> str:
    """Why a letter was not taken for now."""
    with pytest.raises(Unavailable) as away:
        to.send(LETTER)
    assert away.value.code == "mail-away"
    return str(away.value.params["why"])


def test_a_letter_arrives_as_it_was_written(authority: Authority) -> None:
    user = f"{LOGIN}:{quote(PASSWORD, safe='')}@"
    with mailbox(starttls=authority, signed_in=True) as box:
        server(box, "smtp", authority, user=user).send(LETTER)
    [letter] = box.letters
    assert box.encrypted == [True]
    assert (letter["Subject"], letter.get_content().replace("\r\n", "\n")) == (LETTER.subject, LETTER.text)
    assert letter["To"].addresses[0].addr_spec == LETTER.address
    assert letter["To"].addresses[0].display_name == LETTER.name
    assert letter["Message-ID"] == "<019b-key@example.org>"
    assert letter["Auto-Submitted"] == "auto-generated"
    assert letter.get_content_type() == "text/plain"
    assert abs((parsedate_to_datetime(letter["Date"]) - ids.now()).total_seconds()) < 60


def test_tls_from_the_start(authority: Authority) -> None:
    with mailbox(smtps=authority) as box:
        server(box, "smtps", authority).send(LETTER)
        assert why(server(box, "smtps")) == "tls", "a certificate nobody vouches for"
    assert len(box.letters) == 1


def test_starttls_is_asked_for_wherever_it_is_offered(authority: Authority) -> None:
    with mailbox(starttls=authority) as box:
        assert why(server(box, "smtp")) == "tls"
    assert box.letters == []


def test_away_from_this_machine_nothing_leaves_in_the_clear(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that offers no STARTTLS is given nothing; here its name only has to be another than loopback's."""
    with mailbox() as box:
        # all of 127/8 is this machine; only the usual names of it count as such
        assert why(Server(f"smtp://127.0.0.2:{box.port}", "shanhai@example.org")) in ("starttls", "unreachable")
        server(box, "smtp").send(LETTER)
    assert box.encrypted == [False]


def test_a_wrong_password(authority: Authority) -> None:
    with mailbox(starttls=authority, signed_in=True) as box:
        assert why(server(box, "smtp", authority, user=f"{LOGIN}:wrong@")) == "sign-in"


def test_what_may_pass_and_what_never_will() -> None:
    with mailbox() as box:
        box.refuses = ["451 4.7.1 greylisted", "554 5.7.1 spam"]
        assert why(server(box, "smtp")) == "later"
        for _ in range(2):
            with pytest.raises(Invalid, match="mail-refused"):
                server(box, "smtp").send(LETTER)
            box.unknown = {LETTER.address}
        box.unknown = set()
        server(box, "smtp").send(LETTER)
    assert len(box.letters) == 1


def test_nobody_there() -> None:
    [port] = engines.Ports.draw(1)
    assert why(Server(f"smtp://127.0.0.1:{port}", "shanhai@example.org")) == "unreachable"
