"""A live run never waits for where its readings go, and loses none that it need not lose."""

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.errors import M3erError
from edge.publish import background
from edge.publish.background import Background
from edge.publish.json_lines import JsonLines
from edge.publish.publisher import Publisher
from edge.reading import Reading
from tests.test_publish import scene

_READING = scene(1)[0]


def reading(number: int) -> Reading:
    """A reading that can be told by its time."""
    return _READING.model_copy(update={"t": float(number)})


def until(holds: Callable[[], bool], what: str) -> None:
    """Wait for the other thread."""
    end_s = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < end_s, f"never happened: {what}"
        time.sleep(0.001)


class Flaky:
    """Keeps readings in memory; the tries named in ``fails`` (from 0) raise M3erError."""

    def __init__(self, fails: set[int] | None = None) -> None:
        self.fails, self.broken, self.tries, self.closed = fails or set(), False, 0, 0
        self.written: list[int] = []

    def publish(self, reading: Reading) -> None:
        self.tries += 1
        if self.broken or self.tries - 1 in self.fails:
            raise M3erError("the broker: does not answer; start it")
        assert not self.closed
        self.written.append(int(reading.t))

    def close(self) -> None:
        self.closed += 1


class Hanging(Flaky):
    """Hangs in publish, or in close, until ``go`` is set."""

    def __init__(self, in_close: bool = False) -> None:
        super().__init__()
        self.go, self._in_close, self.hangs = threading.Event(), in_close, False

    def publish(self, reading: Reading) -> None:
        if not self._in_close:
            self.hangs = True
            self.go.wait(60)
        super().publish(reading)

    def close(self) -> None:
        self.go.wait(60)
        super().close()


class Buggy(Flaky):
    """Has a bug that shows at its second reading."""

    def __init__(self, bug: BaseException) -> None:
        super().__init__()
        self._bug = bug

    def publish(self, reading: Reading) -> None:
        if self.written:
            raise self._bug
        super().publish(reading)


@pytest.fixture
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background, "_FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr(background, "_LONGEST_PAUSE_S", 0.02)


def check_it_never_waits(publisher: Background, count: int = 2000) -> None:
    """Publish readings and judge how long each took: the machine may be busy with others now and then."""
    took_s = []
    for number in range(count):
        taken = reading(number)
        began_s = time.perf_counter()
        publisher.publish(taken)
        took_s.append(time.perf_counter() - began_s)
    assert np.median(took_s) < 1e-4 and np.quantile(took_s, 0.99) < 1e-3


def check_close_returns_after(publisher: Background, timeout_s: float) -> None:
    began_s = time.monotonic()
    publisher.close(timeout_s)
    assert timeout_s <= time.monotonic() - began_s < timeout_s + 0.5
    publisher.close(60)  # a second one has nothing to wait for
    assert time.monotonic() - began_s < timeout_s + 1 and publisher.waiting == 0


def test_a_publisher_that_hangs_for_ever_holds_nothing_up(caplog: pytest.LogCaptureFixture) -> None:
    inner = Hanging()
    publisher = Background(inner, "the page", most=600)
    publisher.publish(reading(0))
    until(lambda: inner.hangs, "it hangs")
    check_it_never_waits(publisher)
    assert (publisher.waiting, publisher.dropped) == (601, 1400)
    check_close_returns_after(publisher, 0.3)
    assert publisher.dropped == 2001
    assert "the page: did not finish within 0.3 s; readings missing: 601" in caplog.text
    inner.go.set()
    until(lambda: inner.closed == 1, "it is closed when it comes back")
    assert inner.written == [0] and publisher.dropped == 2000, "the one it had is written, and no other"


def test_a_publisher_that_fails_after_it_was_given_up_is_not_told(caplog: pytest.LogCaptureFixture) -> None:
    inner = Hanging()
    publisher = Background(inner, "the page")
    publisher.publish(reading(0))
    until(lambda: inner.hangs, "it hangs")
    publisher.close(0.0)
    inner.broken = True
    inner.go.set()
    until(lambda: inner.closed == 1, "it is closed")
    assert caplog.messages == ["the page: did not finish within 0 s; readings missing: 1"]
    assert publisher.dropped == 1


def test_a_publisher_that_hangs_when_closed_holds_nothing_up() -> None:
    inner = Hanging(in_close=True)
    publisher = Background(inner, "the page")
    for number in range(10):
        publisher.publish(reading(number))
    check_close_returns_after(publisher, 0.3)
    assert inner.written == list(range(10)) and publisher.dropped == 0
    inner.go.set()


@pytest.fixture(params=["nobody opens it", "nobody reads it"])
def stuck_pipe(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A pipe on which a writer hangs, in open or in write, until the test ends."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK) if request.param == "nobody reads it" else None
    yield path
    late = os.open(path, os.O_RDONLY | os.O_NONBLOCK) if reader is None else reader
    os.close(late)  # the writer gets a broken pipe, and its thread ends


def test_a_pipe_that_nobody_reads_holds_nothing_up(stuck_pipe: Path) -> None:
    publisher = Background(JsonLines(stuck_pipe), "the readings pipe")
    check_it_never_waits(publisher)
    check_close_returns_after(publisher, 0.3)
    fits = 65536 // len(reading(0).to_json()) + 1  # how many a pipe holds
    assert 2000 - fits <= publisher.dropped <= 2000


@pytest.mark.usefixtures("short_pauses")
def test_an_outage_keeps_the_reading_that_failed_and_the_newest(caplog: pytest.LogCaptureFixture) -> None:
    inner = Flaky()
    publisher = Background(inner, "the broker", most=3)
    inner.broken = True
    publisher.publish(reading(0))
    until(lambda: inner.tries > 3, "tried again and again")
    for number in range(1, 10):
        publisher.publish(reading(number))
    assert (publisher.waiting, publisher.dropped) == (4, 6)
    inner.broken = False
    until(lambda: not publisher.waiting, "all written")
    publisher.close()
    assert inner.written == [0, 7, 8, 9] and inner.closed == 1
    began, ended = caplog.messages
    assert began == "the broker: the broker: does not answer; start it (readings waiting: 1; trying again)"
    assert ended.startswith("the broker: works again after 0.") and ended.endswith("; readings dropped: 6")


def test_tries_come_less_and_less_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background, "_LONGEST_PAUSE_S", 0.8)
    inner, tries_s = Flaky(), []
    inner.broken = True
    publish = inner.publish

    def timed(taken: Reading) -> None:
        tries_s.append(time.monotonic())
        publish(taken)

    monkeypatch.setattr(inner, "publish", timed)
    publisher = Background(inner, "the broker")
    publisher.publish(reading(0))
    until(lambda: len(tries_s) == 4, "four tries")
    publisher.close(0.0)
    assert np.diff(tries_s)[:3] == pytest.approx([0.5, 0.8, 0.8], abs=0.2)


def test_close_tries_once_more_at_once(caplog: pytest.LogCaptureFixture) -> None:
    inner = Flaky(fails={0})
    publisher = Background(inner, "the broker")
    for number in range(5):
        publisher.publish(reading(number))
    until(lambda: inner.tries == 1, "the first try")
    began_s = time.monotonic()
    publisher.close()
    assert time.monotonic() - began_s < 0.3 and inner.written == [0, 1, 2, 3, 4] and inner.closed == 1
    assert "works again" in caplog.messages[-1]


def test_an_outage_that_outlasts_close_is_counted(caplog: pytest.LogCaptureFixture) -> None:
    inner = Flaky()
    inner.broken = True
    publisher = Background(inner, "the broker")
    for number in range(5):
        publisher.publish(reading(number))
    publisher.close(0.4)
    assert (inner.written, inner.closed, publisher.dropped, publisher.waiting) == ([], 1, 5, 0)
    assert caplog.messages[-1] == "the broker: gave up; readings missing: 5"
    with pytest.raises(RuntimeError, match="after the broker was closed"):
        publisher.publish(reading(5))


@pytest.mark.parametrize("bug", [ZeroDivisionError("oh"), SystemExit(3)])
def test_a_bug_is_told_once_with_its_traceback_and_the_run_goes_on(
    bug: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    inner = Buggy(bug)
    publisher = Background(inner, "the page")
    for number in range(5):
        publisher.publish(reading(number))
    until(lambda: inner.closed == 1, "closed")
    for number in range(5, 1000):
        publisher.publish(reading(number))
    publisher.close()
    assert inner.written == [0] and (publisher.dropped, publisher.waiting) == (999, 0) and inner.closed == 1
    (told,) = [record for record in caplog.records if record.exc_info]
    assert told.levelno == logging.ERROR and told.exc_info and told.exc_info[1] is bug
    assert len(caplog.records) <= 2


def test_one_that_is_too_slow_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    inner = Hanging()
    publisher = Background(inner, "the page", most=2)
    publisher.publish(reading(0))
    until(lambda: inner.hangs, "it takes its time")
    for number in range(1, 10):
        publisher.publish(reading(number))
    inner.go.set()
    until(lambda: not publisher.waiting, "all written")
    publisher.close()
    assert inner.written == [0, 8, 9] and publisher.dropped == 7
    assert caplog.messages == [
        "the page: slower than readings come; the oldest are dropped",
        "the page: has caught up; readings dropped: 7",
    ]


def test_a_publisher_that_cannot_be_closed_is_told(caplog: pytest.LogCaptureFixture) -> None:
    class Unclosable(Flaky):
        def close(self) -> None:
            raise M3erError("the disk: is gone; put it back")

    publisher: Publisher = Background(Unclosable(), "the readings file")
    publisher.close()
    assert caplog.messages == ["the readings file: the disk: is gone; put it back"]


@given(
    count=st.integers(0, 30),
    most=st.integers(1, 40),
    fails=st.sets(st.integers(0, 40), max_size=12),
    rests=st.sets(st.integers(0, 30)),
)
def test_each_reading_is_written_once_in_order_or_counted(
    count: int, most: int, fails: set[int], rests: set[int]
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(background, "_FIRST_PAUSE_S", 0.0005)
        patch.setattr(background, "_LONGEST_PAUSE_S", 0.001)
        inner = Flaky(fails)
        publisher = Background(inner, "the broker", most)
        for number in range(count):
            if number in rests:
                time.sleep(0.0005)
            publisher.publish(reading(number))
        publisher.close(10.0)
    assert inner.written == sorted(set(inner.written)) and set(inner.written) <= set(range(count))
    assert len(inner.written) + publisher.dropped == count and publisher.waiting == 0
    kept = min(count, most)
    assert inner.written[-kept:] == list(range(count))[-kept:] and inner.closed == 1, "the newest are kept"
