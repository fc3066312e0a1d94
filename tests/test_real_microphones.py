"""The microphones that the tests of live capture use are real, and fail as real ones do when they are told to."""

import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.real import alsa_microphone, microphone
from tests.real.alsa_microphone import FifoMicrophone
from tests.real.microphone import VirtualMicrophone

pytest.importorskip("pyaudio", reason="PyAudio is not installed: run 'make live'")
from tests.real.listener import Listener, devices, record

PULSEAUDIO = pytest.mark.skipif(bool(microphone.missing()), reason=microphone.missing())
COMPILER = pytest.mark.skipif(bool(alsa_microphone.missing()), reason=alsa_microphone.missing())

NOISE = np.random.default_rng(5).integers(-9_000, 9_000, 16_000, np.int16)


@PULSEAUDIO
def test_a_virtual_microphone_gives_what_is_played_bit_for_bit() -> None:
    with VirtualMicrophone() as heard:
        assert devices(heard.environment) == ["default"]
        heard.play(NOISE)
        time.sleep(0.5)
        recorded = record(heard.environment, 2.5)[8_000:, 0]
        assert recorded.tobytes() in np.tile(NOISE, 4).tobytes()
        heard.stop_playing()
        time.sleep(0.5)
        assert not record(heard.environment, 0.5).any()


@PULSEAUDIO
def test_a_source_of_another_form() -> None:
    with VirtualMicrophone(rate_hz=48_000, channels=2) as heard:
        heard.play(NOISE)
        time.sleep(0.5)
        recorded = record(heard.environment, 0.5, rate_hz=48_000, channels=2)
        assert recorded.any() and (recorded[:, 0] == recorded[:, 1]).all()


@PULSEAUDIO
def test_each_way_in_which_a_virtual_microphone_fails_and_how_it_comes_back() -> None:
    with VirtualMicrophone() as heard, Listener(heard.environment) as listener:
        heard.play(NOISE)
        listener.meets("sound")
        heard.mute()
        listener.meets("silence")
        heard.unmute()
        listener.meets("sound")
        heard.suspend_source()
        assert listener.hangs()
        heard.resume_source()
        listener.meets("sound")
        heard.unload_source()
        listener.meets("silence")
        heard.load_source()
        listener.meets("sound")
        heard.unload_sink()
        listener.meets("error -9999")
        heard.load_sink()
        listener.meets("opened")
        listener.meets("sound")
        heard.stop_daemon()
        assert listener.hangs()
        heard.continue_daemon()
        listener.meets("sound")
        for _ in range(2):
            heard.kill_daemon()
            listener.meets("error -9999")
            listener.meets("error -9996")  # no device
            heard.start_daemon()
            listener.meets("opened")
            listener.meets("sound")  # what was played goes on


@PULSEAUDIO
def test_a_daemon_that_hangs_does_not_make_the_test_hang() -> None:
    with VirtualMicrophone() as heard:
        heard.play(NOISE)
        heard.stop_daemon()
        with pytest.raises(subprocess.TimeoutExpired):
            heard.mute()
        began_s = time.monotonic()
    assert time.monotonic() - began_s < 2


@contextmanager
def _speaking(device: FifoMicrophone) -> Iterator[None]:
    """Somebody counts aloud for as long as this lasts: each sample is 1 more than the one before."""
    silent = threading.Event()

    def count() -> None:
        number = 1
        while not silent.is_set():
            device.write(np.arange(number, number + 800).astype(np.int16))
            number = number + 800 if number < 20_000 else 1

    speaker = threading.Thread(target=count)
    speaker.start()
    try:
        yield
    finally:
        silent.set()
        speaker.join()


def _counts_on(recorded: NDArray[np.int16]) -> bool:
    steps = np.diff(recorded.astype(int))
    return bool(recorded.any() and ((steps == 1) | (recorded[1:] == 1)).all())


@COMPILER
def test_a_fifo_microphone_gives_every_sample_at_the_speed_of_life() -> None:
    with FifoMicrophone() as heard:
        with _speaking(heard):
            began_s = time.monotonic()
            recorded = record(heard.environment, 2.0)
            assert 1.4 < time.monotonic() - began_s < 6.0
        assert _counts_on(recorded[:, 0])
        with _speaking(heard), Listener(heard.environment) as listener:
            listener.meets("sound")
        with Listener(heard.environment) as listener:
            assert listener.hangs()
            with _speaking(heard):
                listener.meets("sound")


@COMPILER
def test_a_fifo_microphone_opens_in_its_own_form_only() -> None:
    with FifoMicrophone(rate_hz=48_000, channels=2) as card, _speaking(card):
        for rate_hz in (16_000, 44_100):
            with pytest.raises(OSError, match="Invalid sample rate"):
                record(card.environment, 0.1, rate_hz=rate_hz)
        with pytest.raises(OSError, match="Invalid number of channels"):
            record(card.environment, 0.1, rate_hz=48_000, channels=3)
        recorded = record(card.environment, 0.5, rate_hz=48_000, channels=2)
        assert _counts_on(recorded[:, 0]) and (recorded[:, 0] == recorded[:, 1]).all()
        # PortAudio itself takes the first of the two.
        assert _counts_on(record(card.environment, 0.5, rate_hz=48_000)[:, 0])


@COMPILER
def test_a_fifo_microphone_that_is_pulled_out_leaves_reading_in_an_endless_loop() -> None:
    """PortAudio's issue 1037; the process burns a core and has to be killed. A new one hears it once it is back."""
    with FifoMicrophone(rate_hz=16_000, channels=1) as card:
        with Listener(card.environment) as listener:
            with _speaking(card):
                listener.meets("sound")
            card.unplug()
            assert listener.hangs()
            with pytest.raises(OSError, match="-9996"):
                record(card.environment, 0.1)
            card.plug_in()
            assert listener.hangs(0.5)
        with _speaking(card):
            assert _counts_on(record(card.environment, 0.5)[:, 0])
