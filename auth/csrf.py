"""Cross-site request forgery: whether an unsafe request that rides on a cookie came from our own pages.

A browser names the origin of every request that changes something, and modern ones its site; a page of
another origin can forge neither. A request with a cookie and neither header is refused: a program
should send a token instead.
"""

from collections.abc import Mapping
from urllib.parse import urlsplit

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
PORTS = {"http": 80, "https": 443}


def same_origin(method: str, headers: Mapping[str, str], base_url: str) -> bool:
    """Whether the request may ride on a cookie: safe by its method, or sent by a page of ``base_url``.

    ``headers`` has lower-case names or ignores case. ``Origin`` has to be ours to the letter (``null`` is
    nobody's) and ``Sec-Fetch-Site`` has to be ``same-origin``; where one of them is missing the other
    decides (Fetch Metadata; RFC 6454 §6.1).
    """
    if method.upper() in SAFE:
        return True
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if site not in (None, "same-origin"):
        return False
    return site is not None if origin is None else origin == origin_of(base_url)


def origin_of(url: str) -> str:
    """The origin as a browser writes it: scheme, host, and the port where it is not the scheme's own."""
    parts = urlsplit(url.lower())
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    port = "" if parts.port in (None, PORTS.get(parts.scheme)) else f":{parts.port}"
    return f"{parts.scheme}://{host}{port}"
