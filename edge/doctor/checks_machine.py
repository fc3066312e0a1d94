"""Is the machine fit: Python, clock, heat and power, governor, memory, disk, shared memory, files."""

import os
import platform
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from edge.doctor.checks import Finding, State, ask_program
from edge.heat import read_heat, throttle_bits, throttle_reasons
from edge.perceive.face_detector import model_folders

_PROGRAM_TIMEOUT_S = 3.0
_FIRST_YEAR = 2025
_HOT_C = 80.0
_MB = 1_000_000
_MEMORY_FAULT_MB, _MEMORY_WARNING_MB = 100, 300
_DISK_FAULT_MB, _DISK_WARNING_MB = 20, 200
_FILES_WARNING = 256

_POWER = "use the board's own power supply and a short, thick cable"
_COOL = "give the board a heat sink or a fan, or air"


def check_python() -> Sequence[Finding]:
    """Version and architecture."""
    version, machine = platform.python_version(), platform.machine()
    said = f"{version} on {machine}"
    if not (3, 10) <= sys.version_info[:2] <= (3, 13):
        do = "make the virtual environment with Python 3.10 to 3.13"
        return [Finding("python", "fault", said, do)]
    if sys.maxsize < 2**32 or machine not in ("aarch64", "x86_64"):
        do = "onnxruntime and LiteRT come for 64 bits (aarch64, x86_64): install a 64-bit system"
        return [Finding("python", "warning", said, do)]
    return [Finding("python", "ok", said)]


def check_clock() -> Sequence[Finding]:
    """The wall clock is only for the reading's ``time``: everything inside runs on the monotonic clock."""
    before_ns = time.monotonic_ns()
    time.sleep(0.01)
    if time.monotonic_ns() - before_ns < 5_000_000:
        return [Finding("clock", "fault", "the monotonic clock stands still", "restart the machine")]
    now = datetime.now()
    if now.year < _FIRST_YEAR:
        do = (
            "readings would carry this date: connect to a network once (sudo timedatectl set-ntp true), or sudo date -s"
        )
        return [Finding("clock", "warning", f"it says {now:%Y-%m-%d %H:%M}", do)]
    if _synchronised() is False:
        do = "readings' dates may be wrong; all else works: sudo timedatectl set-ntp true"
        return [Finding("clock", "warning", f"{now:%Y-%m-%d %H:%M}, not synchronised with the network's", do)]
    return [Finding("clock", "ok", f"{now:%Y-%m-%d %H:%M}{', synchronised' if _synchronised() else ''}")]


def check_heat(root: Path = Path("/")) -> Sequence[Finding]:
    """Temperature and throttling, now and, where the firmware tells, since the board started."""
    heat = read_heat(root)
    now: list[str] = [heat.why] if heat.why else []
    since_boot: list[str] = []
    bits = _vcgencmd_bits()
    if bits is not None:
        now, since_boot = throttle_reasons(bits)
    said = "no sensor to ask" if heat.temperature_c is None else f"{heat.temperature_c:.0f} °C"
    if now:
        do = _POWER if "under-voltage" in now else _COOL
        return [Finding("heat", "warning", f"{said}, slowed down now: {', '.join(now)}", do)]
    if since_boot:
        do = _POWER if "under-voltage" in since_boot else _COOL
        return [Finding("heat", "warning", f"{said}; since the board started: {', '.join(since_boot)}", do)]
    if heat.temperature_c is not None and heat.temperature_c >= _HOT_C:
        return [Finding("heat", "warning", f"{said}, close to where boards slow down", _COOL)]
    return [Finding("heat", "ok", said if heat.temperature_c is None else f"{said}, not slowed down")]


def check_governor(root: Path = Path("/")) -> Sequence[Finding]:
    """How the clock of the processor is governed."""
    folder = root / "sys/devices/system/cpu/cpu0/cpufreq"
    governor, driver = _text(folder / "scaling_governor"), _text(folder / "scaling_driver")
    if not governor:
        return [Finding("governor", "ok", "the clock is not governed here")]
    if governor == "powersave" and "pstate" not in driver:  # Intel's and AMD's powersave is their ondemand
        do = "echo ondemand | sudo tee /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor"
        return [Finding("governor", "warning", "powersave: the processor stays at its lowest clock", do)]
    return [Finding("governor", "ok", governor)]


def check_memory(root: Path = Path("/")) -> Sequence[Finding]:
    """Memory that programs can have."""
    kb = {key: value for key, _, value in (line.partition(":") for line in _text(root / "proc/meminfo").splitlines())}
    available = kb.get("MemAvailable", "").split()
    if not available or not available[0].isdecimal():
        return [Finding("memory", "warning", "the kernel does not tell how much is free", "see free -m")]
    free_mb = int(available[0]) * 1024 // _MB
    said = f"{_size(free_mb)} available"
    do = "a run takes 150 MB, and a public speech model 200 MB more: stop other programs"
    state: State = "fault" if free_mb < _MEMORY_FAULT_MB else "warning" if free_mb < _MEMORY_WARNING_MB else "ok"
    return [Finding("memory", state, said, "" if state == "ok" else do)]


def check_disk() -> Sequence[Finding]:
    """Room where it runs, and in the folder for models."""
    return [_room("disk here", Path.cwd()), _room("disk for models", model_folders()[0])]


def check_shared_memory() -> Sequence[Finding]:
    """Pictures go between processes through anonymous shared memory."""
    try:
        number = os.memfd_create("m3er-doctor")
        try:
            os.write(number, b"m3er")
        finally:
            os.close(number)
    except OSError as error:
        do = "the kernel or the container forbids memfd_create: run on Linux 3.17 or newer, without that seccomp rule"
        return [Finding("shared memory", "fault", str(error.strerror), do)]
    return [Finding("shared memory", "ok", "memfd works")]


def check_files() -> Sequence[Finding]:
    """How many files may be open at once."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < _FILES_WARNING:
        do = "ulimit -n 1024, or LimitNOFILE=1024 in the service"
        return [Finding("open files", "warning", f"at most {soft}", do)]
    return [Finding("open files", "ok", "without limit" if soft == resource.RLIM_INFINITY else f"at most {soft}")]


def _room(name: str, folder: Path) -> Finding:
    there = next(path for path in (folder, *folder.parents) if path.is_dir())
    free_mb = shutil.disk_usage(there).free // _MB
    said = f"{_size(free_mb)} free for {folder}"
    if not os.access(there, os.W_OK | os.X_OK):
        return Finding(name, "warning", f"{there} cannot be written", "run elsewhere, or change its owner with chown")
    if free_mb < _DISK_WARNING_MB:
        return Finding(name, "fault" if free_mb < _DISK_FAULT_MB else "warning", said, "make room: sudo apt clean")
    return Finding(name, "ok", said)


def _size(megabytes: int) -> str:
    return f"{megabytes} MB" if megabytes < 2000 else f"{megabytes / 1000:.0f} GB"


def _synchronised() -> bool | None:
    """Whether the wall clock follows a network's; None where nobody can tell."""
    if Path("/run/systemd/timesync/synchronized").exists():
        return True
    if not Path("/run/systemd/system").is_dir():
        return None
    try:
        said = ask_program(["timedatectl", "show", "-p", "NTPSynchronized", "--value"], _PROGRAM_TIMEOUT_S).stdout
    except (OSError, subprocess.TimeoutExpired):
        return None
    return {"yes": True, "no": False}.get(said.strip())


def _vcgencmd_bits() -> int | None:
    """A Raspberry Pi's firmware, asked directly: unlike the kernel's file, it remembers what was since the start."""
    try:
        return throttle_bits(ask_program(["vcgencmd", "get_throttled"], _PROGRAM_TIMEOUT_S).stdout)
    except (OSError, subprocess.TimeoutExpired):
        return None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
