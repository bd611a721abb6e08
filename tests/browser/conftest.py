"""A box that works, for all that look at its page; and a browser.

Not for the whole session: while Playwright is there its event loop runs in this thread, and no test
of another directory could run one.
"""

import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.browser.box import Box, running_box


@pytest.fixture(scope="package")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    with running_box(tmp_path_factory.mktemp("box")) as box:
        yield box


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    """Debian's, headless. Without its sandbox, which needs a user of its own: what it opens is
    ours."""
    path = shutil.which("chromium")
    assert path is not None, "no chromium: run .ci/setup"
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-gpu", "--force-color-profile=srgb"]
        browser = playwright.chromium.launch(executable_path=path, args=arguments)
        yield browser
        browser.close()
