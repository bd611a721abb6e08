"""The page's addresses, and what is at them: made anew when something is, else as it was."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection
from importlib import resources
from typing import TypeVar

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from scheduler import __version__
from scheduler.operations.facts.reading import Sources
from scheduler.operations.page import past, wording
from scheduler.operations.page.guard import SAFE, Guard
from scheduler.operations.page.kept import Kept
from scheduler.operations.page.past import Day, Done, Story
from scheduler.operations.page.view import overview
from scheduler.operations.status import Status
from scheduler.operations.wording import amount, printable
from scheduler.spelling import spelled
from scheduler.transactions.journal.location import Location

T = TypeVar("T")

PACKAGE = "scheduler.operations.page"

FILES = {"style.css": "text/css", "refresh.js": "text/javascript", "icon.svg": "image/svg+xml"}

FRESH_SECONDS = 2.0
"""For how long what was read of the journal is shown before it is read again, if anybody asks."""

DAYS_FRESH_SECONDS = 60.0
"""The same for the sums of days, for which every outcome is read."""

_KEPT_STORIES = 64
_LONGEST_KEY = 400


class Page:
    """The pages, as answers. `latest` gives the box's status, None before the first look."""

    def __init__(self, journal: Location, latest: Callable[[], Status | None]) -> None:
        self._journal = journal
        self._latest = latest
        self._sources = Sources()
        self._reading = asyncio.Lock()
        self._pages = Environment(
            loader=PackageLoader(PACKAGE),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._pages.filters |= {
            "ether": wording.ether,
            "exactly": amount,
            "span": wording.span,
            "moment": wording.moment,
            "day": wording.day,
            "short": wording.short,
            "words": wording.words,
            "days": wording.days,
            "printable": printable,
        }
        self._pages.globals |= {"version": __version__, "ago": wording.ago}
        self._done = Kept[list[Done] | None](FRESH_SECONDS)
        self._days = Kept[list[Day] | None](DAYS_FRESH_SECONDS)
        self._front = Kept[str](FRESH_SECONDS)
        self._stories: OrderedDict[str, Kept[Story | None]] = OrderedDict()

    async def front(self) -> Response:
        """The overview."""
        status = self._latest()
        if status is None:
            return self._page("message.html", 503, title="Starting", words="The box is looked at "
                              "for the first time: this takes some seconds.")  # fmt: skip
        text = await self._front.get(lambda: self._overview(status))
        return HTMLResponse(text, headers=SAFE)

    async def story(self, key: str) -> Response:
        """That of the intent with this key."""
        found = None
        if len(key) <= _LONGEST_KEY and key.isprintable():
            kept = self._stories.pop(key, None) or Kept[Story | None](FRESH_SECONDS)
            self._stories[key] = kept
            while len(self._stories) > _KEPT_STORIES:
                self._stories.popitem(last=False)
            found = await kept.get(
                lambda: self._read("story", lambda: past.story(self._journal, key))
            )
        if found is None:
            why = self._sources.unread.get("story")
            if why is not None:
                return self._page("message.html", 503, title="Not readable",
                                  words="The journal could not be read now.")  # fmt: skip
            return self.nothing()
        return self._page("intent.html", 200, story=found)

    def nothing(self) -> Response:
        """There is no such page."""
        words = "There is no page here; the journal may have forgotten what it was about."
        return self._page("message.html", 404, title="Not found", words=words)

    def failed(self) -> Response:
        """Something went wrong here."""
        words = "This page could not be made; the log of scheduler-monitor says why."
        return self._page("message.html", 500, title="Not made", words=words)

    async def _overview(self, status: Status) -> str:
        done = await self._done.get(lambda: self._read("journal", lambda: past.done(self._journal)))
        days = await self._days.get(lambda: self._read("days", lambda: past.days(self._journal)))
        why = self._sources.unread.get("journal") or self._sources.unread.get("days")
        box = overview(status, done or [], days or [], why)
        return self._rendered("overview.html", box=box)

    async def _read(self, name: str, function: Callable[[], T]) -> T | None:
        """What `function` reads, in a thread, within a limit; None where it cannot now."""
        async with self._reading:
            self._sources.unread.pop(name, None)
            return await self._sources.call(name, function)

    def _page(self, template: str, status: int, **values: object) -> Response:
        return HTMLResponse(self._rendered(template, **values), status_code=status, headers=SAFE)

    def _rendered(self, template: str, **values: object) -> str:
        """The page's text, its addresses as the network's wallets write them."""
        return spelled(self._pages.get_template(template).render(**values))


def application(page: Page, hosts: Collection[str], token: str | None) -> Starlette:
    """The page behind its guard; see Guard for `hosts` and `token`."""

    async def front(request: Request) -> Response:
        return await page.front()

    async def story(request: Request) -> Response:
        return await page.story(request.path_params["key"])

    async def lost(request: Request, error: Exception) -> Response:
        return page.nothing()

    async def failed(request: Request, error: Exception) -> Response:
        # What went wrong is in the log, and nobody else's business.
        return page.failed()

    return Starlette(
        routes=[
            Route("/", front),
            Route("/intents/{key:path}", story),
            *(Route(f"/{name}", _file(name, kind)) for name, kind in FILES.items()),
        ],
        middleware=[Middleware(Guard, hosts=hosts, token=token)],
        exception_handlers={404: lost, 405: lost, Exception: failed},
    )


def _file(name: str, kind: str) -> Callable[[Request], Awaitable[Response]]:
    """What is in one of the page's own files."""
    content = (resources.files(PACKAGE) / "static" / name).read_bytes()

    async def answer(request: Request) -> Response:
        return Response(content, media_type=kind, headers=SAFE)

    return answer
