"""A wall clock that can be set for one process and its children, while they run."""

import subprocess
from pathlib import Path

_SOURCE = Path(__file__).with_name("wall_clock.c")


class WallClock:
    """Processes started with ``environment`` see the time that :meth:`set_off` says; needs a compiler.

    Args:
        folder: for its files.
    """

    def __init__(self, folder: Path) -> None:
        library = folder / "wall_clock.so"
        subprocess.run(["gcc", "-shared", "-fPIC", "-O1", "-o", library, _SOURCE, "-ldl"], check=True)
        self._off = folder / "wall_clock_off"
        self.set_off(0)
        self.environment = {"LD_PRELOAD": str(library), "WALL_CLOCK_OFF": str(self._off)}

    def set_off(self, seconds: int) -> None:
        """From now on it is wrong by so much."""
        self._off.write_text(str(seconds), encoding="ascii")
