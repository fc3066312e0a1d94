"""A real microphone without hardware: a private PulseAudio whose null sink is what the microphone hears."""

import signal
import subprocess
import tempfile
import time
import wave
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tests.real.child import dies_with_parent, kill_child, missing_commands, start_child

SOUND_RATE_HZ = 16_000  # of what is played; PulseAudio converts it where the microphone has another

_PACTL_S = 3.0  # pactl waits for ever while the daemon is stopped
_START_S = 15.0

# PortAudio sees this one device alone: it replaces ALSA's own configuration instead of extending it.
_ASOUNDRC = """
pcm.!default { type pulse hint { show on description "virtual microphone" } }
ctl.!default { type pulse }
"""

_SOURCE = "module-remap-source source_name=vmic master=vspk.monitor"

# $1: raw sound; then the player. It ends with the daemon or the sink, cat with the player; then all over again.
_PLAY_LOOP = 'sound=$1; shift; while :; do while cat "$sound"; do :; done | "$@"; sleep 0.1; done'
_PLAY_ONCE = 'sound=$1; shift; "$@" < "$sound"'


def missing() -> str:
    """Why there can be no VirtualMicrophone here; empty if there can be."""
    plugin = any(Path("/usr/lib").glob("**/alsa-lib/libasound_module_pcm_pulse.so"))
    return missing_commands("pulseaudio", "pactl", "pacat", "setpriv") or (
        "" if plugin else "libasound2-plugins not installed: run 'make system'"
    )


class VirtualMicrophone:
    """A microphone that a process sees when it is started with ``environment``; ``with`` starts and ends it.

    All of it lives in a temporary folder. Nothing waits longer than some seconds: what a stopped daemon keeps from
    being done raises subprocess.TimeoutExpired.

    Args:
        rate_hz: at which the source runs; clients that ask for another get it converted.
        channels: of the source, all alike.
    """

    def __init__(self, rate_hz: int = SOUND_RATE_HZ, channels: int = 1) -> None:
        self._form = f"rate={rate_hz} channels={channels} format=s16le"
        self._daemon: subprocess.Popen[bytes] | None = None
        self._player: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "VirtualMicrophone":
        self._temporary = tempfile.TemporaryDirectory(prefix="virtual-microphone-", ignore_cleanup_errors=True)
        self._folder = Path(self._temporary.name)
        (self._folder / "asoundrc").write_text(_ASOUNDRC, encoding="utf-8")
        (self._folder / "client.conf").write_text("autospawn = no\n", encoding="utf-8")
        # What PulseAudio's clients and its daemon need to leave the user's own PulseAudio and home alone.
        self.environment = {
            "ALSA_CONFIG_PATH": str(self._folder / "asoundrc"),
            "PULSE_SERVER": f"unix:{self._folder / 'socket'}",
            "PULSE_CLIENTCONFIG": str(self._folder / "client.conf"),
            "PULSE_COOKIE": str(self._folder / "cookie"),
            "PULSE_RUNTIME_PATH": str(self._folder / "runtime"),
            "PULSE_STATE_PATH": str(self._folder / "state"),
        }
        try:
            self.start_daemon()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop_playing()
        if self._daemon is not None:
            kill_child(self._daemon)
        self._temporary.cleanup()

    def start_daemon(self) -> None:
        """Start PulseAudio, for the first time or again at the same socket; returns when the microphone is there."""
        if self._daemon is not None and self._daemon.poll() is None:
            raise RuntimeError("the daemon runs already")
        (self._folder / "socket").unlink(missing_ok=True)
        script = self._folder / "default.pa"
        script.write_text(
            f"load-module module-native-protocol-unix socket={self._folder / 'socket'} auth-anonymous=1\n"
            + "".join(f"load-module {module}\n" for module in (*self._sinks, _SOURCE))
            + "set-default-source vmic\n",
            encoding="utf-8",
        )
        command = ["pulseaudio", "-n", "-F", str(script), "--daemonize=no", "--exit-idle-time=-1", "--use-pid-file=no"]
        command += ["--realtime=no", "--high-priority=no", "--log-level=notice"]
        # No session bus: the user's own is none of its business.
        private = {"HOME": str(self._folder), "DBUS_SESSION_BUS_ADDRESS": "disabled:"}
        self._daemon = start_child(command, self._log, self.environment | private)
        deadline = time.monotonic() + _START_S
        while not self._answers():
            if time.monotonic() > deadline or self._daemon.poll() is not None:
                raise RuntimeError(f"pulseaudio did not start: {self._log.read_text(errors='replace')[-1_000:]}")
            time.sleep(0.02)

    def kill_daemon(self) -> None:
        """The daemon is gone at once, as by a crash; its socket stays behind and refuses."""
        kill_child(self._running)

    def stop_daemon(self) -> None:
        """The daemon hangs (SIGSTOP): nobody gets an answer from it."""
        self._running.send_signal(signal.SIGSTOP)

    def continue_daemon(self) -> None:
        """The daemon goes on after ``stop_daemon``."""
        self._running.send_signal(signal.SIGCONT)

    def suspend_source(self) -> None:
        """The microphone gives nothing any more, not even silence."""
        self._pactl("suspend-source", "vmic", "1")

    def resume_source(self) -> None:
        """The microphone gives sound again after ``suspend_source``."""
        self._pactl("suspend-source", "vmic", "0")

    def unload_source(self) -> None:
        """The microphone is taken away; PulseAudio moves who listens to another source, where all is silent."""
        self._pactl("set-default-source", "nothing.monitor")
        self._pactl("unload-module", "module-remap-source")

    def load_source(self) -> None:
        """The microphone comes back after ``unload_source``; PulseAudio moves who listens back to it."""
        self._pactl("load-module", *_SOURCE.split())
        self._pactl("set-default-source", "vmic")

    def unload_sink(self) -> None:
        """The microphone and all else is taken away: PulseAudio has no source, and ends what listens with an error."""
        self._pactl("unload-module", "module-null-sink")

    def load_sink(self) -> None:
        """All comes back after ``unload_sink``, for those who open it anew; playing goes on by itself."""
        for sink in self._sinks:
            self._pactl("load-module", *sink.split())
        self.load_source()

    def mute(self) -> None:
        """The microphone's own switch is off."""
        self._pactl("set-source-mute", "vmic", "1")

    def unmute(self) -> None:
        """The microphone's own switch is on again."""
        self._pactl("set-source-mute", "vmic", "0")

    def play(self, sound: Path | NDArray[np.int16], loop: bool = True) -> None:
        """Let the microphone hear this, from now on instead of what was played before.

        Args:
            sound: 16 kHz mono: a WAV file of 16 bits, or int16 (n,).
            loop: again and again without a gap, and again after the daemon or the sink was away.
        """
        samples = _read_wav(sound) if isinstance(sound, Path) else np.asarray(sound, np.int16)
        if samples.ndim != 1 or not len(samples):
            raise ValueError(f"sound of shape {samples.shape}; give 16 kHz mono")
        if loop:  # a process a second at most, however short the sound
            samples = np.tile(samples, -(-SOUND_RATE_HZ // len(samples)))
        self.stop_playing()
        raw = self._folder / "sound.raw"
        raw.write_bytes(samples.astype("<i2").tobytes())
        pacat = ["pacat", "--raw", "--format=s16le", f"--rate={SOUND_RATE_HZ}", "--channels=1", "--device=vspk"]
        # 200 ms ahead: a busy machine leaves no gaps.
        script = _PLAY_LOOP if loop else _PLAY_ONCE
        command: list[str | Path] = [
            "sh",
            "-c",
            script,
            "player",
            raw,
            *dies_with_parent([*pacat, "--latency-msec=200"]),
        ]
        self._player = start_child(command, self._log, self.environment)

    def stop_playing(self) -> None:
        """Silence: the microphone gives zeros."""
        if self._player is not None:
            kill_child(self._player)
            self._player = None

    @property
    def _sinks(self) -> tuple[str, str]:
        # norewinds: blocks of 50 ms at most; else the first one comes after two seconds, unlike any real microphone's.
        sink = "module-null-sink norewinds=1"
        return f"{sink} sink_name=vspk {self._form}", f"{sink} sink_name=nothing"

    @property
    def _log(self) -> Path:
        return self._folder / "log"

    @property
    def _running(self) -> subprocess.Popen[bytes]:
        if self._daemon is None or self._daemon.poll() is not None:
            raise RuntimeError("no daemon runs")
        return self._daemon

    def _answers(self) -> bool:
        try:
            return self._pactl("get-default-source").strip() == "vmic"
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
            return False

    def _pactl(self, *words: str) -> str:
        done = subprocess.run(
            ["pactl", *words],
            env={"PATH": "/usr/bin:/bin", "HOME": str(self._folder), **self.environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_PACTL_S,
            check=True,
        )
        return done.stdout


def _read_wav(path: Path) -> NDArray[np.int16]:
    with wave.open(str(path)) as file:
        form = (file.getframerate(), file.getnchannels(), file.getsampwidth())
        if form != (SOUND_RATE_HZ, 1, 2):
            raise ValueError(f"{path}: (rate, channels, bytes) {form}; give 16 kHz mono of 16 bits")
        return np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.int16)
