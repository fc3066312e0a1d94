"""The page in a real browser: what a person sees while the sample clip's readings come.

The pictures that it leaves in ``out/`` are for a person's eyes.
"""

import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from edge.publish.json_lines import read_readings
from edge.publish.page import Page
from edge.reading import Pace, Reading
from tests import made_browser
from tests.made_browser import DESKTOP, PHONE, PIXELS, Scheme, Watched, in_chromium

pytest.importorskip("playwright.sync_api", reason="playwright is not installed: `make test` installs it")
from playwright.sync_api import Browser, expect

ROOT = Path(__file__).parent.parent
HOP_S = 0.5
TOKEN = "sesame-sesame"

pytestmark = in_chromium
browser, watched = made_browser.browser, made_browser.watched


@pytest.fixture(scope="module")
def readings(tmp_path_factory: pytest.TempPathFactory) -> list[Reading]:
    """Of the sample clip, made anew, as if live: with a pace."""
    file = tmp_path_factory.mktemp("page") / "readings.jsonl"
    command = [sys.executable, "-m", "edge.cli", "run", "--input", "edge/samples/clip.mp4", "--jsonl", str(file)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, env=environment, timeout=120)
    pace = Pace(hop_s=HOP_S, frame_rate_hz=10.0, temperature_c=61.2)
    return [reading.model_copy(update={"pace": pace}) for reading in read_readings(file)]


@pytest.fixture
def page(readings: list[Reading]) -> Iterator[Page]:
    page = Page(list(readings[0].probabilities), HOP_S, port=0)
    yield page
    page.close()


def test_a_run_that_records_is_seen_to_do_so(page: Page, watched: Watched, readings: list[Reading]) -> None:
    watched.tab.goto(page.url)
    expect(watched.tab.locator("#link-text")).to_have_text("connected")
    expect(watched.tab.locator("#recording")).to_be_hidden()
    recorded = Page(list(readings[0].probabilities), HOP_S, port=0, recording=True)
    try:
        watched.tab.goto(recorded.url)
        mark = watched.tab.locator("#recording")
        expect(mark).to_be_visible()
        expect(mark).to_have_text("RECORDING picture and sound")
        expect(mark).to_have_css("background-color", "rgb(176, 0, 32)")
        expect(mark).to_be_in_viewport()
    finally:
        recorded.close()


def test_a_person_sees_the_clip_as_it_runs(page: Page, watched: Watched, readings: list[Reading]) -> None:
    tab, published_s = watched.tab, {}
    tab.goto(page.url)
    expect(tab.locator("#link-text")).to_have_text("connected")
    expect(tab.locator("#modality-face")).to_be_visible()

    def publish_all() -> None:  # five times as fast as they came
        for reading in readings:
            published_s[reading.sequence] = time.time()
            page.publish(reading)
            time.sleep(HOP_S / 5)

    publisher = threading.Thread(target=publish_all)
    publisher.start()
    covered = next(r for r in readings if r.modalities["face"].state == "proxy")
    expect(tab.locator("#modality-face .badge")).to_have_text("◐ proxy")
    expect(tab.locator("#modality-face .reason")).to_have_text(covered.modalities["face"].reason or "")
    publisher.join()
    tab.wait_for_function(f"window.seen.at(-1).sequence == {readings[-1].sequence} && window.seen.at(-1).painted_s")
    seen = {view["sequence"]: view for view in tab.evaluate("window.seen")}
    assert sorted(seen) == [reading.sequence for reading in readings]
    for reading in readings:
        view, face = seen[reading.sequence], reading.modalities["face"]
        assert view["emotion"] == reading.emotion
        assert view["face"].endswith(face.state) and view["reason"] == (face.reason or "")
    assert len({view["emotion"] for view in seen.values()}) > 1
    for what in ("shown_s", "painted_s"):
        delays_ms = [1e3 * (view[what] - published_s[n]) for n, view in seen.items() if what in view]
        median_ms, p99_ms = np.percentile(delays_ms, [50, 99])
        print(f"publish to {what[:-2]}: median {median_ms:.1f} ms, p99 {p99_ms:.1f} ms of {len(delays_ms)}")
        if what == "shown_s":
            assert p99_ms < 250  # loosely: the machine may be busy; alone it is below 50
    last = readings[-1]
    expect(tab.locator("#transcript")).to_have_text(last.transcript)
    expect(tab.locator("#facts")).to_contain_text("61 °C")
    value = f"{last.correlation['face-speech']:+.2f}".replace("-", "−")
    expect(tab.locator("#pair-face-speech .verdict")).to_contain_text(value)
    coloured = "c => new Set(c.getContext('2d').getImageData(0, 0, c.width, c.height).data).size"
    assert tab.locator("#plot").evaluate(coloured) > 20
    watched.check(page.url)


def test_silence_is_said_and_ends(browser: Browser, page: Page, watched: Watched, readings: list[Reading]) -> None:
    tab = watched.tab
    tab.goto(page.url)
    expect(tab.locator("#emotion")).to_have_text("no reading yet")
    page.publish(readings[0])
    expect(tab.locator("#emotion")).to_have_text(readings[0].emotion)
    began_s = time.monotonic()
    expect(tab.locator("#emotion")).to_have_text(re.compile(r"no reading for\s[34]\ss"))
    assert 2.5 < time.monotonic() - began_s < 4.5
    expect(tab.locator("#sure")).to_have_text("is m3er-edge running?")
    late = Watched(browser)  # who comes now is told at once, and sees the last reading's plots
    late.tab.goto(page.url)
    expect(late.tab.locator("#emotion")).to_have_text(re.compile("no reading for"), timeout=1500)
    late.tab.context.close()
    page.publish(readings[1])
    expect(tab.locator("#emotion")).to_have_text(readings[1].emotion)
    expect(tab.locator("body")).not_to_have_class(re.compile("silent"))
    watched.check(page.url)


def test_it_comes_back_when_the_server_does(page: Page, watched: Watched, readings: list[Reading]) -> None:
    tab, port = watched.tab, int(page.url.split(":")[2].strip("/"))
    page.publish(readings[0])
    tab.goto(page.url)
    expect(tab.locator("#emotion")).to_have_text(readings[0].emotion)
    page.close()
    expect(tab.locator("#link-text")).to_have_text("not connected, trying again")
    time.sleep(1.5)  # so that it has failed to come back
    again = Page(list(readings[0].probabilities), HOP_S, port=port)
    try:
        changed = next(r for r in readings if r.emotion != readings[0].emotion)
        again.publish(changed)
        expect(tab.locator("#emotion")).to_have_text(changed.emotion)
        expect(tab.locator("#link-text")).to_have_text("connected")
    finally:
        again.close()
    refused = [text for text in watched.complaints if "ERR_CONNECTION_REFUSED" not in text]
    assert not refused  # that it could not connect is what the browser itself says


def test_the_token_leaves_the_address_and_is_remembered(watched: Watched, readings: list[Reading]) -> None:
    page = Page(list(readings[0].probabilities), HOP_S, port=0, token=TOKEN)
    try:
        page.publish(readings[0])
        tab = watched.tab
        assert tab.context.request.get(page.url).status == 401
        tab.goto(f"{page.url}?token={TOKEN}")
        expect(tab.locator("#emotion")).to_have_text(readings[0].emotion)
        assert tab.url == page.url
        tab.reload()
        expect(tab.locator("#emotion")).to_have_text(readings[0].emotion)
        assert not any("token" in cookie["name"] or cookie["value"] == TOKEN for cookie in tab.context.cookies())
        watched.check(page.url)
    finally:
        page.close()


def test_with_video_the_picture_and_its_face_are_seen(watched: Watched, readings: list[Reading]) -> None:
    page = Page(list(readings[0].probabilities), HOP_S, port=0, video=True)
    try:
        watched.tab.goto(page.url)
        stop = threading.Event()

        def film() -> None:
            image = np.full((480, 640, 3), (0, 0, 255), np.uint8)  # red
            while not stop.wait(0.05):
                page.publish(readings[0])
                page.frame(image, (160.0, 120.0, 320.0, 240.0))

        camera = threading.Thread(target=film)
        camera.start()
        try:
            expect(watched.tab.locator("#camera-note")).to_be_empty()
            size = watched.tab.locator("#camera").evaluate("c => [c.width, c.height]")
            ground, edge = watched.tab.locator("#camera").evaluate(PIXELS, [[20, 20], [240, 90]])
        finally:
            stop.set()
            camera.join()
        assert size == [480, 360]
        assert ground[0] > 230 and ground[1] < 40 and edge[1] > 150  # red, and the yellow of the frame
        watched.check(page.url)
    finally:
        page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_it_fits_the_screen(
    browser: Browser, page: Page, readings: list[Reading], size: tuple[int, int], scheme: Scheme
) -> None:
    out = ROOT / "out"
    out.mkdir(exist_ok=True)
    watched = Watched(browser, size, scheme)
    tab, name = watched.tab, f"page-{size[0]}x{size[1]}-{scheme}"
    ended_s = readings[-1].t
    covered = next(i for i, r in enumerate(readings) if r.modalities["face"].state == "proxy") + 5
    shown = [*readings, *(r.model_copy(update={"t": r.t + ended_s}) for r in readings[:covered])]
    for reading in shown[:-1]:
        page.publish(reading)
    tab.goto(page.url)
    expect(tab.locator("#link-text")).to_have_text("connected")
    page.publish(shown[-1])
    expect(tab.locator("#modality-face .badge")).to_have_text("◐ proxy")
    tab.wait_for_timeout(300)
    tab.screenshot(path=out / f"{name}.png", full_page=size == PHONE)
    wide, high = tab.evaluate("[document.documentElement.scrollWidth, document.documentElement.scrollHeight]")
    assert wide <= size[0]
    assert size == PHONE or high <= size[1]
    expect(tab.locator("#emotion")).to_have_text(re.compile("no reading for"))
    tab.wait_for_timeout(100)
    tab.screenshot(path=out / f"{name}-silent.png")
    watched.check(page.url)
    watched.tab.context.close()
