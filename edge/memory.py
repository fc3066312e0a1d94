"""How much memory a process holds."""

from pathlib import Path

MOST_EVER, NOW = "VmHWM", "VmRSS"


def resident_mb(which: str = NOW, process: int | str = "self") -> float:
    """Resident memory in MB, now or the most since the program started; 0 for a process that has ended.

    Not from getrusage: its maximum goes back to the process that started this one.
    """
    try:
        text = Path(f"/proc/{process}/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return 0.0
    for line in text.splitlines():
        if line.startswith(which + ":"):
            return int(line.split()[1]) / 1024
    return 0.0
