"""Stamped samples from one process to others through shared memory: the writer never waits, nor does a reader.

The memory is anonymous (memfd): it has no name, so nothing can be left over whoever is killed. It outlives its
writer: a worker that is started again goes on in the same ring.

A slot is published by raising one counter after the sample is whole, so that a writer killed in the middle of one
has published nothing. A reader copies a slot and then looks at the counter again: what may have been overwritten
meanwhile is left out and counted as lost.
"""

import contextlib
import mmap
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_MAGIC = 0x4D334552_52494E47
_PAGE_BYTES = 4096
_SLOT_HEAD_BYTES = 64
_NOTE_BYTES = 200

# The ring's first words (uint64), then the note; a slot's first words.
_KIND, _SLOT_BYTES, _SLOTS, _PUBLISHED, _BEAT_NS, _LIVE, _INTERVAL_NS, _NOTE_LENGTH = range(8)
_NOTE_AT = 256
_SEQUENCE, _STAMP_NS, _LENGTH, _ROWS, _COLUMNS, _DEPTH = range(6)


@dataclass(frozen=True)
class Item:
    """One published sample, copied out of the ring.

    Attributes:
        sequence: counts from 0 over the ring's whole life.
        captured_ns: on the clock of ``time.monotonic_ns``.
        shape: as it was written.
        data: uint8 (n,).
    """

    sequence: int
    captured_ns: int
    shape: tuple[int, int, int]
    data: NDArray[np.uint8]


class Ring:
    """Slots of shared memory with one writer and any number of readers; and how the writer is.

    Args:
        slot_bytes: the largest sample.
        slots: how many are kept; a reader may fall behind by two fewer.
        memory, event: file descriptors of a ring that another process made; without them it is made here.
    """

    def __init__(self, slot_bytes: int, slots: int, memory: int | None = None, event: int | None = None) -> None:
        self.slot_bytes, self.slots = slot_bytes, slots
        self._stride = -(-(_SLOT_HEAD_BYTES + slot_bytes) // 64) * 64
        length = _PAGE_BYTES + slots * self._stride
        made_here = memory is None
        self.memory = os.memfd_create("m3er-ring") if memory is None else memory
        self.event = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC) if event is None else event
        if made_here:
            os.ftruncate(self.memory, length)  # pages cost memory only once they are written
        self._bytes = np.frombuffer(mmap.mmap(self.memory, length), np.uint8)
        self._head = self._bytes[:_NOTE_AT].view(np.uint64)
        if made_here:
            self._head[[_KIND, _SLOT_BYTES, _SLOTS]] = _MAGIC, slot_bytes, slots
        elif tuple(self._head[[_KIND, _SLOT_BYTES, _SLOTS]]) != (_MAGIC, slot_bytes, slots):
            raise ValueError("not this ring's memory")
        self._order = threading.Lock()
        self._order.acquire()
        if made_here:
            self.say("starting")

    def close(self) -> None:
        """Let go of the file descriptors; the memory goes with the last process that has it."""
        os.close(self.memory)
        os.close(self.event)

    # --- the writer's side

    def write(self, captured_ns: int, data: NDArray[np.uint8], shape: tuple[int, int, int]) -> None:
        """Publish one sample; `data` is uint8 of any shape, at most ``slot_bytes`` long."""
        flat = data.reshape(-1)
        if flat.size > self.slot_bytes:
            raise ValueError(f"a sample of {flat.size} bytes does not fit into a slot of {self.slot_bytes}")
        sequence = int(self._head[_PUBLISHED])
        words, payload = self._slot(sequence)
        words[: _DEPTH + 1] = sequence, captured_ns, flat.size, *shape
        payload[: flat.size] = flat
        self._barrier()
        self._head[_PUBLISHED] = sequence + 1
        os.eventfd_write(self.event, 1)

    def beat(self) -> None:
        """The writer is alive: said before every call that may hang."""
        self._head[_BEAT_NS] = time.monotonic_ns()

    def say(self, trouble: str | None) -> None:
        """Why nothing comes, e.g. ``not found``; None: samples come."""
        text = (trouble or "").encode()[:_NOTE_BYTES]
        self._bytes[_NOTE_AT : _NOTE_AT + len(text)] = np.frombuffer(text, np.uint8)
        self._head[_NOTE_LENGTH] = len(text)
        self._head[_LIVE] = trouble is None

    @property
    def interval_ns(self) -> int:
        """How far apart the readers want samples at least."""
        return int(self._head[_INTERVAL_NS])

    # --- the readers' side

    @interval_ns.setter
    def interval_ns(self, value: int) -> None:
        self._head[_INTERVAL_NS] = value

    @property
    def published(self) -> int:
        """How many samples were ever published."""
        return int(self._head[_PUBLISHED])

    @property
    def beat_ns(self) -> int:
        """When the writer last said that it is alive, ``time.monotonic_ns``; 0: never."""
        return int(self._head[_BEAT_NS])

    @property
    def trouble(self) -> str | None:
        """The writer's last word on why nothing comes; None: samples come."""
        if self._head[_LIVE]:
            return None
        length = min(int(self._head[_NOTE_LENGTH]), _NOTE_BYTES)
        return bytes(self._bytes[_NOTE_AT : _NOTE_AT + length]).decode(errors="replace")

    def read(self, sequence: int) -> Item | None:
        """A copy of one published sample; None if it was, or may have been, overwritten."""
        published = self.published
        if not published - self.slots + 1 <= sequence < published:
            return None
        self._barrier()
        words, payload = self._slot(sequence)
        captured_ns, length = int(words[_STAMP_NS]), min(int(words[_LENGTH]), self.slot_bytes)
        shape = (int(words[_ROWS]), int(words[_COLUMNS]), int(words[_DEPTH]))
        data = payload[:length].copy()
        self._barrier()
        # The writer may be at work on the slot after the last one published.
        return Item(sequence, captured_ns, shape, data) if self.published - self.slots < sequence else None

    def take_event(self) -> None:
        """Have been woken: :attr:`event` is quiet until the next sample. For the one reader that waits on it."""
        with contextlib.suppress(BlockingIOError):
            os.eventfd_read(self.event)

    def _slot(self, sequence: int) -> tuple[NDArray[np.uint64], NDArray[np.uint8]]:
        begin = _PAGE_BYTES + sequence % self.slots * self._stride
        head = begin + _SLOT_HEAD_BYTES
        return self._bytes[begin:head].view(np.uint64), self._bytes[head : head + self.slot_bytes]

    def _barrier(self) -> None:
        # Release, then acquire: ARM keeps neither stores nor loads in order, but lets nothing pass these two.
        self._order.release()
        self._order.acquire()


class RingReader:
    """One reader's place in a ring.

    Attributes:
        lost: how many samples were overwritten before they were read.
    """

    def __init__(self, ring: Ring) -> None:
        self.ring = ring
        self.lost = 0
        self._next = ring.published

    def new(self) -> Iterator[Item]:
        """Samples that were published since the last call, in order."""
        end = self.ring.published
        oldest = end - self.ring.slots + 1
        if self._next < oldest:
            self.lost += oldest - self._next
            self._next = oldest
        while self._next < end:
            item = self.ring.read(self._next)
            self._next += 1
            if item is None:
                self.lost += 1
            else:
                yield item

    def newest(self, max_age_ms: float) -> Item | None:
        """The newest sample, if it was not read yet and is no older; those before it are passed over, not lost."""
        end = self.ring.published
        if end <= self._next:
            return None
        self._next = end
        item = self.ring.read(end - 1)
        return item if item is not None and time.monotonic_ns() - item.captured_ns <= max_age_ms * 1e6 else None

    def waiting(self) -> int:
        """How many samples were published and not read."""
        return self.ring.published - self._next
