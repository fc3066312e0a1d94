"""A real browser for the page's tests: a tab that remembers what it showed, asked for and complained of."""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest

pytest.importorskip("playwright.sync_api", reason="playwright is not installed: `make test` installs it")
from playwright.sync_api import Browser, ConsoleMessage, sync_playwright
from playwright.sync_api import Page as Tab

Scheme = Literal["light", "dark"]
DESKTOP, PHONE = (1280, 800), (390, 844)
_CHROMIUM = Path("/usr/bin/chromium")
_ARGUMENTS = ["--no-sandbox", "--disable-gpu"]

in_chromium = pytest.mark.skipif(not _CHROMIUM.exists(), reason=f"no {_CHROMIUM}: apt install chromium")

# Notes what is shown and when, in Python's own time: time.time() is the same clock.
_WATCH = """
window.seen = [];
addEventListener("DOMContentLoaded", () => {
  const page = document.getElementById("page");
  const look = () => ({
    sequence: Number(page.dataset.sequence), shown_s: (performance.timeOrigin + performance.now()) / 1000,
    emotion: document.getElementById("emotion").textContent,
    face: document.querySelector("#modality-face .badge").textContent,
    reason: document.querySelector("#modality-face .reason").textContent,
  });
  new MutationObserver(() => {
    const now = look();
    window.seen.push(now);
    requestAnimationFrame(() => setTimeout(() => {
      now.painted_s = (performance.timeOrigin + performance.now()) / 1000;
    }));
  }).observe(page, { attributes: true, attributeFilter: ["data-sequence"] });
});
"""

PIXELS = """(canvas, places) => {
  const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  return places.map(([x, y]) => [...data.slice(4 * (y * canvas.width + x)).slice(0, 4)]);
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(_CHROMIUM), args=_ARGUMENTS)
        yield browser
        browser.close()


class Watched:
    """A browser's tab, and all that it complained of and asked for."""

    def __init__(self, browser: Browser, size: tuple[int, int] = DESKTOP, scheme: Scheme = "light") -> None:
        context = browser.new_context(viewport={"width": size[0], "height": size[1]}, color_scheme=scheme)
        self.tab: Tab = context.new_page()
        self.tab.set_default_timeout(10_000)
        self.complaints: list[str] = []
        self.asked: list[str] = []
        self.tab.on("console", self._hear)
        self.tab.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.tab.on("request", lambda request: self.asked.append(request.url))
        self.tab.on("websocket", lambda socket: self.asked.append(socket.url))
        self.tab.add_init_script(_WATCH)

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(f"{message.text} {message.location['url']}")

    def check(self, url: str) -> None:
        """It had nothing to complain of, and asked nobody else."""
        assert not self.complaints, self.complaints
        host = url.split("/")[2]
        assert self.asked and {url.split("/")[2] for url in self.asked} == {host}


@pytest.fixture
def watched(browser: Browser) -> Iterator[Watched]:
    watched = Watched(browser)
    yield watched
    watched.tab.context.close()
