"""Who may see the page: whoever asks for it by its own name, with the token where there is one.

A page on loopback is still asked for by every site that the operator's browser visits: another site
may point a name of its own at 127.0.0.1 (DNS rebinding). So the Host header must be a known name.
"""

import hmac
import re
from collections.abc import Collection
from http.cookies import CookieError, SimpleCookie

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

COOKIE = "scheduler-page"
LOOPBACK = ("127.0.0.1", "localhost", "[::1]")

_LONGEST_QUERY = 300

# No script, style or picture but the page's own; nobody may frame it; nothing is kept by caches.
SAFE = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; "
    "img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class Guard:
    """Lets through what may pass to `app`; answers the rest in one line, and says nothing else."""

    def __init__(self, app: ASGIApp, hosts: Collection[str], token: str | None) -> None:
        """`hosts` are names without ports."""
        self._app = app
        self._hosts = frozenset(host.lower() for host in hosts)
        self._token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            # Nothing here speaks WebSocket: the server closes what is not accepted.
            return
        answer = self._objection(scope)
        await (answer or self._app)(scope, receive, send)

    def _objection(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        if name_of(headers.get("host", "")) not in self._hosts:
            return _line(421, "This page is not known by that name: see monitor.page-hosts")
        if scope["method"] not in ("GET", "HEAD"):
            return _line(
                405, "This page only shows: nothing can be changed here", Allow="GET, HEAD"
            )
        query = scope["query_string"].decode("latin-1")
        given = query.removeprefix("token=")
        if self._token is not None and query.startswith("token=") and self._is(given):
            return _entered(self._token, scope["path"])
        if self._token is not None and not self._is(_token_in(headers)):
            return _line(401, "A token is needed: open this page with ?token=… behind its address")
        if query:
            return _line(400, "This page takes no query")
        return None

    def _is(self, given: str) -> bool:
        """Whether it is the token; takes as long whatever is wrong with it."""
        token = (self._token or "").encode()
        return hmac.compare_digest(given[:_LONGEST_QUERY].encode(), token)


def name_of(host: str) -> str:
    """A Host header without its port."""
    match = re.fullmatch(r"(\[[0-9A-Fa-f:.]+\]|[^:\[\]]*)(?::\d{1,5})?", host)
    return match[1].lower() if match else ""


def _token_in(headers: Headers) -> str:
    kind, _, given = headers.get("authorization", "").partition(" ")
    if kind.lower() == "bearer":
        return given.strip()
    try:
        cookie = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return ""
    return cookie.value if cookie is not None else ""


def _entered(token: str, path: str) -> Response:
    """Without the token in its address, where histories would keep it."""
    answer = RedirectResponse("/" + path.lstrip("/\\"), status_code=303, headers=SAFE)
    answer.set_cookie(COOKIE, token, httponly=True, samesite="strict", path="/")
    return answer


def _line(status: int, words: str, **headers: str) -> Response:
    return PlainTextResponse(f"{words}\n", status_code=status, headers={**SAFE, **headers})
