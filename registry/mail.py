"""Mail: letters in plain text, handed to the one mail server that the operator set (SMTP, RFC 5321).

A letter never leaves in the clear: TLS from the start (``smtps``) or by STARTTLS (RFC 3207), which the server has to
offer, except on loopback. Whether it arrives nobody knows; that the server took it is what ``send`` tells.
"""

import smtplib
import ssl
from dataclasses import dataclass
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr
from urllib.parse import unquote, urlsplit

from core import ids
from core.errors import Invalid, Unavailable

SECONDS = 15.0
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
PORTS = {"smtps": 465, "smtp": 587}


@dataclass(frozen=True, slots=True)
class Letter:
    """A letter to one person. ``key`` names it: sent a second time it is still the same letter."""

    key: str
    name: str
    address: str
    language: str
    subject: str
    text: str


@dataclass(frozen=True)
class Server:
    """The mail server, as ``SHANHAI_SMTP_URL`` names it, and the address that letters come from."""

    url: str
    sender: str
    tls: ssl.SSLContext | None = None

    def send(self, letter: Letter) -> None:
        """Hand a letter over.

        Raises Unavailable ``mail-away`` for what may go better later, with the reason as a code, and Invalid
        ``mail-refused`` when the server will never take it (RFC 5321 §4.2.1, 5yz).
        """
        message = self._message(letter)
        try:
            with self._connected() as server:
                server.send_message(message)
        except smtplib.SMTPRecipientsRefused as error:
            codes = [code for code, _ in error.recipients.values()]
            raise _refusal(max(codes, default=0)) from None
        except smtplib.SMTPAuthenticationError:
            raise Unavailable("mail-away", why="sign-in") from None
        except smtplib.SMTPResponseException as error:
            raise _refusal(error.smtp_code) from None
        except smtplib.SMTPNotSupportedError:
            raise Unavailable("mail-away", why="starttls") from None
        except ssl.SSLError:
            raise Unavailable("mail-away", why="tls") from None
        except (smtplib.SMTPException, OSError):
            raise Unavailable("mail-away", why="unreachable") from None

    def _connected(self) -> smtplib.SMTP:
        parts = urlsplit(self.url)
        host, port = str(parts.hostname), parts.port or PORTS[parts.scheme]
        tls = self.tls or ssl.create_default_context()
        if parts.scheme == "smtps":
            server: smtplib.SMTP = smtplib.SMTP_SSL(host, port, timeout=SECONDS, context=tls)
        else:
            server = smtplib.SMTP(host, port, timeout=SECONDS)
        try:
            server.ehlo_or_helo_if_needed()
            if parts.scheme == "smtp" and (host not in LOOPBACK or server.has_extn("starttls")):
                server.starttls(context=tls)
            if parts.username:
                server.login(unquote(parts.username), unquote(parts.password or ""))
        except BaseException:
            server.close()
            raise
        return server

    def _message(self, letter: Letter) -> EmailMessage:
        sender = parseaddr(self.sender)[1]
        message = EmailMessage(SMTP)
        message["From"] = self.sender
        message["To"] = Address(letter.name, addr_spec=letter.address)
        message["Subject"] = letter.subject
        message["Date"] = format_datetime(ids.now())
        message["Message-ID"] = f"<{letter.key}@{sender.rpartition('@')[2]}>"
        message["Content-Language"] = letter.language
        # RFC 3834: no answer by machine is wanted
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(letter.text, cte="base64")
        return message


def _refusal(code: int) -> Unavailable | Invalid:
    """What a reply of the server means: 5yz is for good, all else may pass."""
    return Invalid("mail-refused") if 500 <= code < 600 else Unavailable("mail-away", why="later")
