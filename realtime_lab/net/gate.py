"""Who may come near a server at all: who knows its token, and pages of its own origin or of those that it names.

Every user of a machine, and every web page that one of them has open, can reach a port of 127.0.0.1. The token keeps the others out, the
origin (RFC 6454) keeps the pages out. Both are asked before anything is read. The token travels in the query of the address, so that
`io(url)` and `client.connect(url)` just work; it is shown nowhere.

A page's own origin is that of the address which it was loaded from. A stranger can let a name of theirs lead to this machine ("DNS
rebinding"), and then it is ours. So a server that only this machine reaches, and that has no token, knows its own names, and no others.
"""

import hmac
import re
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import quote

from aiohttp import web

from realtime_lab.errors import InvalidSetting

SECRET = re.compile(r"(?<=[?&]token=)[^&\s'\"]+")
"""The part of an address, anywhere in a text, that nobody should see."""

ORIGIN = re.compile(r"https?://[^/\s*]+")
LOCAL = re.compile(r"https?://(localhost|127(\.\d+){3}|\[::1\])(:\d+)?")
"""An origin of this machine, that no name server can let lead elsewhere. The port is that of whoever stands before us, such as a link."""
Origins = Sequence[str] | Callable[[str], bool]
"""Of pages that may connect besides our own, for example ["https://chat.example"]; or a function that is asked."""


def shown(text: str) -> str:
    """The same without the tokens of the addresses in it."""
    return SECRET.sub("...", text)


class Address(str):
    """An address with a token in it. What a cell shows of it (its repr) leaves the token out."""

    __slots__ = ()

    def __repr__(self) -> str:
        return repr(shown(str(self)))


def address(host: str, port: int, token: str | None) -> Address:
    """What a client connects to."""
    name = f"[{host}]" if ":" in host else host
    return Address(f"http://{name}:{port}" + (f"/?token={quote(token)}" if token else ""))


class Gate:
    """`token` None: everybody may come. `host`: where the server listens."""

    def __init__(self, token: str | None, origins: Origins, host: str = "127.0.0.1") -> None:
        if token is not None and (not isinstance(token, str) or not token):
            raise InvalidSetting(f"token={token!r} is not a secret. Give a text, for example secrets.token_urlsafe(), or None.")
        given = [origins] if isinstance(origins, str) else [] if callable(origins) else list(origins)
        wrong = [each for each in given if isinstance(origins, str) or not ORIGIN.fullmatch(str(each))]
        if wrong:
            raise InvalidSetting(f'origins: {wrong[0]!r} is not an origin. Give a list such as ["https://chat.example"], without a path.')
        self.token, self._named = token, origins if callable(origins) else given.__contains__
        self._knows_its_names = token is None and LOCAL.fullmatch(f"http://[{host}]" if ":" in host else f"http://{host}") is not None

    def welcomes(self, origin: str | None, environ: dict[str, Any]) -> bool:
        """May a page of this origin connect? python-engineio asks, for what a browser sends."""
        scheme, host = environ["wsgi.url_scheme"], environ.get("HTTP_HOST", "")
        forwarded = environ.get("HTTP_X_FORWARDED_HOST", host).split(",")[0].strip()
        own = [f"{each.split(',')[0].strip()}://{at}" for each in (scheme, "http") for at in (host, forwarded)]
        ours = origin in own and (not self._knows_its_names or LOCAL.fullmatch(str(origin)) is not None)
        return ours or (origin is not None and self._named(origin))

    async def check(self, request: web.Request, handler: Any) -> web.StreamResponse:
        """Turns away who does not know the token."""
        if self.token is not None and not hmac.compare_digest(request.query.get("token", "").encode(), self.token.encode()):
            return web.Response(status=403, text='The token is missing. Connect to the whole address, with what is behind the "?".\n')
        response: web.StreamResponse = await handler(request)
        return response
