"""A real browser, if one is installed, with the page in it."""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Dialog, Page

# Names the browser where it is none of the usual ones.
CHOSEN = "V2T_BENCH_TEST_BROWSER"
USUAL = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@dataclass
class Opened:
    """A page, what went wrong in it, and what it asked for beside itself.

    Args:
        page: Loaded.
        problems: Errors and warnings of the console, uncaught errors, dialogs.
        requests: Addresses.
    """

    page: Page
    problems: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


Open: TypeAlias = Callable[..., Opened]


def installed_browser() -> str | None:
    """Return the path of a Chromium.

    A browser that was named and is not there must not look like none at all.
    """
    named = os.environ.get(CHOSEN)
    if named:
        path = shutil.which(named)
        assert path is not None, f"{CHOSEN} names {named}, which cannot be run"
        return path
    return next(filter(None, map(shutil.which, USUAL)), None)


def _refuse(opened: Opened, dialog: Dialog) -> None:
    opened.problems.append("a dialog")
    dialog.dismiss()


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of a Chromium; where checks are complete it may be missing, and nothing else."""
    path = installed_browser()
    if path is None:
        pytest.skip(f"no Chromium is installed (apt-get install chromium, or set {CHOSEN})")
    if importlib.util.find_spec("playwright") is None:
        reason = "the extra 'browser' is not installed"
        if os.environ.get("CI"):
            pytest.fail(f"{reason}, though {path} is there")
        pytest.skip(reason)
    return path


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    """A running Chromium; while it runs, no test of another module can have an event loop."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium)
        yield running
        running.close()


@pytest.fixture
def open_page(browser: Browser, tmp_path: Path) -> Iterator[Open]:
    """A function that opens a page's text as a file, in a browser that knows nothing yet."""
    contexts: list[BrowserContext] = []

    def open_text(text: str, hash_: str = "", **options: Any) -> Opened:
        file = tmp_path / "index.html"
        file.write_text(text, encoding="utf-8")
        contexts.append(browser.new_context(**options))
        contexts[-1].set_default_timeout(15_000)
        # A busy machine takes its time with ten thousand rows.
        contexts[-1].set_default_navigation_timeout(90_000)
        opened = Opened(contexts[-1].new_page())
        page = opened.page
        page.on("console", lambda message: opened.problems.append(message.text))
        page.on("pageerror", lambda error: opened.problems.append(str(error)))
        page.on("dialog", partial(_refuse, opened))
        page.on("request", lambda request: opened.requests.append(request.url))
        page.goto(file.as_uri() + hash_)
        return opened

    yield open_text
    for context in contexts:
        context.close()
