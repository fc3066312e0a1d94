"""The shared-memory ring: whole samples in order, whoever is slow, lapped or killed."""

import os
import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.capture.ring import Ring, RingReader


def write(ring: Ring, *values: int) -> None:
    for value in values:
        ring.write(value, np.full(8, value % 251, np.uint8), (8, 1, 1))


def stamps(reader: RingReader) -> list[int]:
    return [item.captured_ns for item in reader.new()]


def test_a_sample_comes_out_as_it_went_in() -> None:
    ring = Ring(100, 4)
    image = np.arange(60, dtype=np.uint8).reshape(4, 5, 3)
    ring.write(123, image, (4, 5, 3))
    item = ring.read(0)
    assert item is not None and (item.captured_ns, item.shape) == (123, (4, 5, 3))
    assert np.array_equal(item.data.reshape(item.shape), image)


def test_what_a_reader_has_copied_is_not_written_over() -> None:
    ring = Ring(8, 3)
    write(ring, 1)
    item = ring.read(0)
    write(ring, 2, 3, 4, 5)
    assert item is not None and set(item.data.tolist()) == {1}


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 9)), max_size=40), st.integers(2, 6))
def test_every_sample_is_read_once_in_order_or_counted_as_lost(turns: list[tuple[bool, int]], slots: int) -> None:
    ring = Ring(8, slots)
    reader, read, written = RingReader(ring), [], 0
    for writes, count in turns:
        if writes:
            write(ring, *range(written, written + count))
            written += count
        else:
            read += stamps(reader)
    read += stamps(reader)
    assert read == sorted(set(read))
    assert len(read) + reader.lost == written
    assert written == 0 or read[-1] == written - 1  # the newest is never the one that is lost


def test_a_reader_begins_with_what_comes_after_it() -> None:
    ring = Ring(8, 4)
    write(ring, 1, 2)
    reader = RingReader(ring)
    write(ring, 3)
    assert stamps(reader) == [3]
    assert stamps(reader) == []


def test_the_newest_alone_passes_over_what_is_older() -> None:
    ring, now_ns = Ring(8, 4), time.monotonic_ns()
    reader = RingReader(ring)
    assert reader.newest(1000) is None
    write(ring, 1, 2, now_ns)
    item = reader.newest(1000)
    assert item is not None and item.captured_ns == now_ns
    assert reader.newest(1000) is None and reader.lost == 0


def test_a_stale_sample_is_not_handed_over() -> None:
    ring = Ring(8, 4)
    reader = RingReader(ring)
    for limit_ms, fresh in ((1000, True), (500, False)):
        write(ring, time.monotonic_ns() - 600_000_000)
        assert (reader.newest(limit_ms) is not None) == fresh


def test_a_sample_that_is_too_large_is_refused_and_publishes_nothing() -> None:
    ring = Ring(8, 4)
    with pytest.raises(ValueError, match="9 bytes"):
        ring.write(1, np.zeros(9, np.uint8), (9, 1, 1))
    assert ring.published == 0


def test_other_memory_is_not_taken_for_a_ring() -> None:
    ring = Ring(8, 4)
    with pytest.raises(ValueError, match="not this ring"):
        Ring(16, 2, ring.memory, ring.event)


def test_the_writer_says_how_it_is() -> None:
    ring = Ring(8, 4)
    assert ring.trouble == "starting" and ring.beat_ns == 0
    ring.say("not found")
    assert ring.trouble == "not found"
    ring.say("ü" * 500)
    trouble = ring.trouble
    assert trouble is not None and trouble.startswith("üüü")
    ring.say(None)
    assert ring.trouble is None
    ring.beat()
    assert 0 <= time.monotonic_ns() - ring.beat_ns < 1_000_000_000


def test_its_event_wakes_a_waiting_reader_once() -> None:
    ring = Ring(8, 4)
    ring.take_event()  # nothing there: no error, no waiting
    write(ring, 1, 2)
    assert os.eventfd_read(ring.event) == 2


_WRITER = """
import sys, numpy as np
from edge.capture.ring import Ring
ring = Ring(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
while True:
    value = ring.published
    ring.write(value, np.full(ring.slot_bytes, value % 251, np.uint8), (ring.slot_bytes, 1, 1))
"""


def _start_writer(ring: Ring) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", _WRITER, *map(str, (ring.slot_bytes, ring.slots, ring.memory, ring.event))]
    return subprocess.Popen(command, pass_fds=[ring.memory, ring.event])


@settings(deadline=None, max_examples=1)
@given(st.integers(0, 2**32))
def test_writers_killed_at_random_moments_leave_only_whole_samples(seed: int) -> None:
    """Ten writers in turn, as fast as they can, in large slots; the reader is lapped all the time."""
    moments, ring = random.Random(seed), Ring(200_000, 4)
    reader, read, last = RingReader(ring), 0, -1
    for _ in range(10):
        before, writer = ring.published, _start_writer(ring)
        until_s = time.monotonic() + 20
        while ring.published < before + 50 and time.monotonic() < until_s:
            time.sleep(0.01)
        until_s = time.monotonic() + moments.uniform(0, 0.05)
        while time.monotonic() < until_s:
            for item in reader.new():
                assert item.captured_ns == item.sequence > last
                assert (item.data == item.sequence % 251).all(), "a torn sample"
                last, read = item.sequence, read + 1
        writer.send_signal(signal.SIGKILL)
        writer.wait()
    assert read > 50
    assert ring.published == read + reader.lost + reader.waiting()
