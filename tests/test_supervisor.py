"""Real worker processes that die, hang, fall silent or ignore SIGTERM: each is replaced, none is left over."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.capture.ring import Ring
from edge.supervisor import Patience, Supervisor, Worker
from edge.worker import process_name, start_worker

QUICK = Patience(start_s=5.0, open_s=1.0, hang_s=0.5, stall_s=0.5)


@contextmanager
def supervised(then: str, after: int = 3, patience: Patience = QUICK) -> Iterator[tuple[Worker, Supervisor]]:
    ring = Ring(16, 8)
    start = lambda: start_worker("made", "tests.made_worker", {"then": then, "after": after}, [ring])  # noqa: E731
    worker = Worker("made", start, ring, patience)
    supervisor = Supervisor([worker])
    supervisor.start()
    try:
        yield worker, supervisor
    finally:
        supervisor.stop()


def until(done: Callable[[], bool], limit_s: float) -> bool:
    end_s = time.monotonic() + limit_s
    while not done() and time.monotonic() < end_s:
        time.sleep(0.02)
    return done()


def test_a_worker_that_is_well_is_left_alone() -> None:
    with supervised("live on", after=10**9) as (worker, _):
        assert until(lambda: worker.ring.published > 40, 10)
        assert worker.starts == 1 and worker.ring.trouble is None
        assert worker.process is not None and process_name(worker.process.pid) == "m3er-made"


@pytest.mark.parametrize(
    ("then", "said"),
    [("hang", "stalled"), ("beat alone", "stalled"), ("die", "restarting"), ("never begin", "stalled")],
)
def test_a_worker_that_fails_is_replaced_and_goes_on_in_the_same_ring(then: str, said: str) -> None:
    patience = Patience(start_s=1.0, open_s=1.0, hang_s=0.5, stall_s=0.5)
    heard = set()
    with supervised(then, patience=patience) as (worker, _):
        first = worker.process

        def started_three_times() -> bool:
            heard.add(worker.ring.trouble)
            return worker.starts >= 3

        assert until(started_three_times, 15)
    assert said in heard
    if then != "never begin":
        assert worker.ring.published >= 6
    assert first is None or first.poll() is not None


def test_fifty_kills_at_random_moments_and_it_still_lives() -> None:
    moments = random.Random(1)
    with supervised("live on", after=10**9) as (worker, _):
        worker._pause_s = 0.01  # the pauses between starts are tested below
        for _ in range(50):
            assert until(lambda: worker.process is not None, 10)
            worker._pause_s = 0.01
            time.sleep(moments.uniform(0, 0.15))
            if (process := worker.process) is not None:
                process.kill()
                process.wait()
        published = worker.ring.published
        assert until(lambda: worker.ring.published > published + 5, 10)


def test_a_stopped_process_is_killed_though_it_hears_no_sigterm() -> None:
    with supervised("live on", after=10**9) as (worker, _):
        assert until(lambda: worker.ring.published > 3, 10)
        first = worker.process
        assert first is not None
        os.kill(first.pid, signal.SIGSTOP)
        assert until(lambda: worker.starts == 2 and worker.ring.trouble is None, 10)
        assert first.poll() == -signal.SIGKILL


def test_stopping_leaves_no_process_though_one_ignores_sigterm() -> None:
    with supervised("live on", after=10**9) as (worker, supervisor):
        assert until(lambda: worker.ring.published > 3, 10)
        process = worker.process
        began_s = time.monotonic()
        supervisor.stop()
        assert time.monotonic() - began_s < 1.2
        assert process is not None and process.poll() is not None


_PARENT = """
import sys, time
from tests.test_supervisor import supervised
with supervised("live on", after=10**9) as (worker, _):
    while worker.ring.published < 3:
        time.sleep(0.02)
    print(worker.process.pid, flush=True)
    time.sleep(3600)
"""


def test_a_killed_run_takes_its_workers_and_their_memory_along() -> None:
    parent = subprocess.Popen([sys.executable, "-c", _PARENT], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = psutil.Process(int(parent.stdout.readline()))
    assert any("m3er-ring" in str(link.readlink()) for link in Path(f"/proc/{child.pid}/fd").iterdir())
    parent.kill()
    parent.wait()
    assert until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE, 3)
    assert not list(Path("/dev/shm").glob("*m3er*"))


class _Died:
    """A process that has ended already."""

    def poll(self) -> int:
        return 1


@settings(max_examples=50)
@given(st.lists(st.floats(0.0, 30.0), min_size=1, max_size=50), st.booleans())
def test_however_it_dies_it_is_started_again_soon_and_not_too_often(lives_s: list[float], publishes: bool) -> None:
    """Without real processes, in made time: at most 30 starts in any minute, and never more than 3.2 s of waiting."""
    starts_s: list[float] = []
    now_s, ends_s, alive = 1.0, 0.0, False
    ring = Ring(16, 8)
    lives = iter(lives_s)

    class _Made:
        def poll(self) -> int | None:
            return None if alive else 1

    def start() -> _Made:
        nonlocal ends_s, alive
        starts_s.append(now_s)
        ends_s, alive = now_s + next(lives, 0.5), True
        return _Made()

    worker = Worker("made", start, ring, Patience(1e9, 1e9, 1e9, None))  # type: ignore[arg-type]
    died_s: float | None = None
    while len(starts_s) < len(lives_s) + 20:
        if alive and now_s >= ends_s:
            alive, died_s = False, now_s
        if alive and publishes:
            ring._head[4] = round(now_s * 1e9)
            ring.write(1, ring._bytes[:1], (1, 1, 1))
            ring.say(None)
        before = len(starts_s)
        worker.look(round(now_s * 1e9))
        if len(starts_s) > before and died_s is not None:
            assert now_s - died_s <= 3.3
            died_s = None
        now_s += 0.1
    for start_s in starts_s:
        assert sum(start_s <= other < start_s + 60 for other in starts_s) <= 30
