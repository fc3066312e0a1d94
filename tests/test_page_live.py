"""The page of a real run in a real browser: camera, microphone, nets and WebSocket, and the person who watches."""

import re
import time
from pathlib import Path

import pytest

from tests import made_browser
from tests.made_browser import Watched, in_chromium
from tests.real import microphone
from tests.soak.live_run import LiveRun
from tests.soak.scene import Scene, scene

pytest.importorskip("playwright.sync_api", reason="playwright is not installed: `make test` installs it")
from playwright.sync_api import expect

pytestmark = [in_chromium, pytest.mark.skipif(bool(microphone.missing()), reason=microphone.missing())]
browser, watched = made_browser.browser, made_browser.watched

_SOON_MS = 10_000
"""The slowest of it takes three seconds alone; others may use the machine."""


def test_a_person_watches_a_live_run(watched: Watched, tmp_path: Path) -> None:
    with scene() as devices:
        options = ("--camera", devices.camera.url, "--page", "127.0.0.1:0", "--page-video")
        with LiveRun(tmp_path, *options, environment=devices.microphone.environment) as run:
            url = _address_of_the_page(run)
            watched.tab.goto(url)
            _watch_it_work(watched)
            _watch_it_fail(watched, devices)
            sequence, readings = _last_shown(watched), run.readings()
            run.stop()
        assert run.status == 0, run.log
        tab = watched.tab
        expect(tab.locator("#emotion")).to_have_text(re.compile(r"no reading for\s[0-9]+\ss"), timeout=_SOON_MS)
        expect(tab.locator("#link-text")).to_have_text("not connected, trying again")
    assert sequence >= readings[-1].sequence - 2  # it showed what was written at that moment
    complaints = [text for text in watched.complaints if "ERR_CONNECTION_REFUSED" not in text]
    assert not complaints  # that nobody is there any more is what the browser itself says
    assert {asked.split("/")[2] for asked in watched.asked} == {url.split("/")[2]}


def _watch_it_work(watched: Watched) -> None:
    """All is live, values change, and the picture has its frame."""
    tab = watched.tab
    expect(tab.locator("#link-text")).to_have_text("connected")
    expect(tab.locator("#modality-face .badge")).to_have_text("● live", timeout=_SOON_MS)
    expect(tab.locator("#modality-speech .badge")).to_have_text("● live", timeout=_SOON_MS)
    expect(tab.locator("#camera-note")).to_be_empty()
    assert len({view["sequence"] for view in tab.evaluate("window.seen")}) >= 2
    shares = tab.locator("#emotions .share").all_inner_texts()
    expect(tab.locator("#emotions .share")).not_to_have_text(shares, timeout=_SOON_MS)
    tab.wait_for_function(_SHOWS_A_FRAMED_FACE, timeout=_SOON_MS)


def _watch_it_fail(watched: Watched, devices: Scene) -> None:
    """The face is covered, then the camera is black, then all is well again."""
    tab = watched.tab
    for mode, reason in (("covered", "covered"), ("black", "dark")):
        devices.camera.set_mode(mode)  # type: ignore[arg-type]
        expect(tab.locator("#modality-face .badge")).to_have_text("◐ proxy", timeout=_SOON_MS)
        expect(tab.locator("#modality-face .reason")).to_have_text(reason, timeout=_SOON_MS)
        expect(tab.locator("#modality-speech .badge")).to_have_text("● live", timeout=_SOON_MS)
    devices.camera.set_mode("live")
    expect(tab.locator("#modality-face .badge")).to_have_text("● live", timeout=_SOON_MS)
    expect(tab.locator("#modality-face .reason")).to_be_empty()


_SHOWS_A_FRAMED_FACE = """() => {  // from a copy: the browser would complain of a canvas that is read again and again
  const shown = document.getElementById("camera"), { width, height } = shown;
  const g = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
  g.drawImage(shown, 0, 0);
  const data = g.getImageData(0, 0, width, height).data;
  let yellow = 0, bright = 0;
  for (let i = 0; i < data.length; i += 4) {
    yellow += data[i] > 220 && data[i + 1] > 205 && data[i + 2] < 110;  // as the frame around the face, and no face
    bright += data[i] + data[i + 1] + data[i + 2] > 90;
  }
  return yellow > 100 && bright > width * height / 10;
}"""


def _last_shown(watched: Watched) -> int:
    sequence: int = watched.tab.evaluate("window.seen.at(-1).sequence")
    return sequence


def _address_of_the_page(run: LiveRun) -> str:
    """From its log, as a person reads it there."""
    until_s = time.monotonic() + 20
    while time.monotonic() < until_s:
        if found := re.search(r"page at (http://[0-9.:]+/)", run.log):
            return found[1]
        time.sleep(0.05)
    raise AssertionError(f"no page: {run.log}")
