"""The status page in a real Chromium, with what real programs left: it loads, leads somewhere, and
can be read, in the light and in the dark, at a desk and on a phone."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from playwright.sync_api import Browser, Page, Request, expect

from tests.browser.box import Box
from tests.commands import walk_to

IMAGES = Path(__file__).parents[2] / "docs" / "images"

DESK, PHONE = (1280, 1000), (360, 740)

# For each text that is shown: itself, its colour, what is behind it, its size and weight. Colours
# are asked for as numbers, whatever the style sheet calls them.
TEXTS = """() => {
  const numbers = colour => colour.match(/[\\d.]+/g).map(Number);
  const behind = element => {
    for (let at = element; at; at = at.parentElement) {
      const [r, g, b, a = 1] = numbers(getComputedStyle(at).backgroundColor);
      if (a > 0) return [r, g, b];
    }
    return [255, 255, 255];
  };
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const element = node.parentElement;
    const text = node.textContent.trim();
    if (!text || element.closest(".aside, title, noscript, script")) continue;
    const box = element.getBoundingClientRect();
    if (!box.width || !box.height) continue;
    const style = getComputedStyle(element);
    const drawn = element instanceof SVGElement;
    found.push({
      text, colour: numbers(drawn ? style.fill : style.color).slice(0, 3), behind: behind(element),
      size: parseFloat(style.fontSize), bold: style.fontWeight >= 700,
      left: box.left, right: box.right,
    });
  }
  return found;
}"""

MARKS = """() => [...document.querySelectorAll(".mark.done, .mark.failed, .earned, .spent")]
  .filter(each => each instanceof SVGElement && each.getBoundingClientRect().height > 0)
  .map(each => {
    const card = getComputedStyle(each.closest(".card")).backgroundColor;
    const numbers = colour => colour.match(/[\\d.]+/g).slice(0, 3).map(Number);
    return [getComputedStyle(each).fill, card].map(numbers);
  })"""


@contextmanager
def opened(
    chromium: Browser,
    url: str,
    size: tuple[int, int] = DESK,
    dark: bool = False,
    status: int = 200,
    **more: Any,
) -> Iterator[Page]:
    """The page, of which nothing may go wrong that a browser's console tells: but for its status,
    where that is to be another than 200."""
    context = chromium.new_context(
        viewport={"width": size[0], "height": size[1]},
        color_scheme="dark" if dark else "light",
        **more,
    )
    page = context.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("requestfailed", lambda request: said.extend(_failures(request)))
    answer = page.goto(url)
    assert answer is not None
    assert answer.status == status
    try:
        yield page
        assert said == [] if status == 200 else all(f" {status} " in each for each in said), said
    finally:
        context.close()


def _failures(request: Request) -> list[str]:
    """What is not read to its end since the next page is wanted is no failure."""
    aborted = request.failure == "net::ERR_ABORTED"
    return [] if aborted else [f"{request.url}: {request.failure}"]


def luminance(colour: list[float]) -> float:
    """Relative luminance (WCAG 2.2, "relative luminance")."""
    linear = [
        each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4
        for each in (value / 255 for value in colour)
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: list[float], other: list[float]) -> float:
    """Contrast ratio (WCAG 2.2, "contrast ratio")."""
    lower, higher = sorted([luminance(one), luminance(other)])
    return (higher + 0.05) / (lower + 0.05)


def test_the_contrast_is_computed_as_the_guidelines_say() -> None:
    """#767676 on white is their own example of just enough."""
    assert contrast([0, 0, 0], [255, 255, 255]) == 21.0
    assert round(contrast([0x76] * 3, [255] * 3), 2) == 4.54


def story_of(box: Box, page: Page) -> str:
    """The address of the page of an execution."""
    link = page.locator(".sent a", has_text="execute").last
    return box.url.rstrip("/") + str(link.get_attribute("href"))


def test_it_shows_what_is_so(box: Box, chromium: Browser) -> None:
    with opened(chromium, box.url) as page:
        head = box.chain.endpoint.number("eth_blockNumber")
        # The page's policy lets nothing be evaluated in it.
        expect(page.locator(".figure").first).to_have_text(f"#{head:,}", timeout=30_000)
        for call in box.executed:
            row = page.locator(".sent tr", has_text=f"execute {call.address[:8]}")
            assert row.locator(".target").inner_text() == str(call.target_block)
            assert row.locator(".mined").inner_text() == str(call.target_block)
            assert row.locator(".outcome").inner_text() == "succeeded"
        due = page.locator("section", has=page.locator("#next-title")).locator("tbody tr")
        assert [text.split()[0] for text in due.all_inner_texts()] == [
            f"#{call.target_block}" for call in box.waiting
        ]
        assert page.locator(".line .mark.next").count() == len(box.waiting)
        assert page.locator(".line a .mark.done").count() >= len(box.executed)
        assert page.locator("[id^=check-]").count() > 30
        bars = page.locator(".plot .earned")
        assert bars.count() == 14
        assert float(str(bars.last.get_attribute("height"))) > 1


def test_every_link_leads_somewhere(box: Box, chromium: Browser) -> None:
    with opened(chromium, box.url) as page:
        seen, waiting = set(), {box.url}
        while waiting:
            url = waiting.pop()
            seen.add(url)
            answer = page.goto(url)
            assert answer is not None
            assert answer.status in (200, 304), url
            for whole in page.eval_on_selector_all(
                "a", "all => all.map(a => new URL(a.getAttribute('href'), location).href)"
            ):
                target, _, anchor = whole.partition("#")
                if target == url and anchor:
                    assert page.locator(f"#{anchor}").count() == 1
                if target not in seen:
                    waiting.add(target)
        stories = [unquote(url) for url in seen if "/intents/" in url]
        assert sum(":execute:" in url for url in stories) == len(box.executed)
        assert all(url.startswith(box.url) for url in seen)


def test_an_intents_page_is_its_whole_story(box: Box, chromium: Browser) -> None:
    with opened(chromium, box.url) as page:
        page.goto(story_of(box, page))
        text = page.locator("main").inner_text()
        call = box.executed[0]
        for words in (
            call.address,
            "It was written down.",
            "It was given a slot: nonce",
            "Its hash is 0x",
            f"Outcome in block {call.target_block}: succeeded",
        ):
            assert words in text
        page.get_by_text("the box at a glance").click()
        page.wait_for_url(box.url)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
@pytest.mark.parametrize("which", ["front", "story", "nothing"])
def test_it_can_be_read(
    box: Box, chromium: Browser, size: tuple[int, int], dark: bool, which: str
) -> None:
    url, status = (f"{box.url}nothing", 404) if which == "nothing" else (box.url, 200)
    with opened(chromium, url, size, dark, status) as page:
        if which == "front":
            # What is folded is to be read, too.
            page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
        elif which == "story":
            page.goto(story_of(box, page))
        texts = page.evaluate(TEXTS)
        assert len(texts) > (3 if which == "nothing" else 20)
        faint = [
            (each["text"], round(contrast(each["colour"], each["behind"]), 2))
            for each in texts
            if contrast(each["colour"], each["behind"])
            < (3 if each["size"] >= 24 or (each["bold"] and each["size"] >= 18.66) else 4.5)
        ]
        assert faint == []
        assert min(each["size"] for each in texts) >= 10.5
        # Nothing is cut, and nobody has to scroll sideways.
        assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
        assert [each["text"] for each in texts if each["right"] > size[0] + 0.5] == []
        assert [pair for pair in page.evaluate(MARKS) if contrast(*pair) < 3] == []


def test_it_reads_itself_anew_and_keeps_what_was_unfolded(box: Box, chromium: Browser) -> None:
    with opened(chromium, box.url) as page:
        folded = page.locator("details").first
        folded.locator("summary").click()
        name = folded.get_attribute("id")
        before = page.locator(".top time").inner_text()
        head = box.chain.endpoint.number("eth_blockNumber")
        walk_to(box.chain, head + 1, box.home, "scheduler")
        # A call that is claimed then, which a draw decides, makes one more block.
        page.wait_for_function(
            "([before, head]) => document.querySelector('.top time').textContent !== before"
            " && Number(document.querySelector('.figure').textContent.replace(/\\D/g, '')) > head",
            arg=[before, head],
            timeout=30_000,
        )
        assert page.locator(f"[id='{name}']").get_attribute("open") is not None
        assert page.locator("#freshness").is_hidden()


def test_it_works_without_scripts(box: Box, chromium: Browser) -> None:
    with opened(chromium, box.url, java_script_enabled=False) as page:
        assert page.locator("noscript meta[http-equiv=refresh]").get_attribute("content") == "30"
        assert page.locator(".sent tbody tr").count() >= len(box.executed)
        details = page.locator("details").first
        details.locator("summary").click()
        assert details.locator("p").is_visible()


def test_a_page_that_cannot_be_read_any_more_says_so(box: Box, chromium: Browser) -> None:
    context = chromium.new_context()
    page = context.new_page()
    page.goto(box.url)
    page.route("**/*", lambda route: route.abort())
    page.wait_for_selector("#freshness:not([hidden])", timeout=20_000)
    page.unroute("**/*")
    page.wait_for_selector("#freshness", state="hidden", timeout=20_000)
    context.close()


def test_the_pictures_of_the_documentation_are_of_now(
    box: Box, chromium: Browser, tmp_path: Path
) -> None:
    """They are made here; those in docs/images are replaced where UPDATE_IMAGES is set."""
    pictures = {"status-page": (DESK, False), "status-page-phone": (PHONE, True),
                "status-page-intent": (DESK, False)}  # fmt: skip
    place = IMAGES if os.environ.get("UPDATE_IMAGES") else tmp_path
    place.mkdir(exist_ok=True)
    for name, (size, dark) in pictures.items():
        with opened(chromium, box.url, size, dark) as page:
            page.wait_for_selector(".line .mark.next", state="attached", timeout=30_000)
            if name.endswith("intent"):
                page.goto(story_of(box, page))
            page.screenshot(path=place / f"{name}.png")
        picture = (place / f"{name}.png").read_bytes()
        assert 5_000 < len(picture) < 250_000
        # The first chunk of a PNG: its width and height in pixels.
        assert (int.from_bytes(picture[16:20]), int.from_bytes(picture[20:24])) == size
        assert (IMAGES / f"{name}.png").read_bytes()[16:24] == picture[16:24]
