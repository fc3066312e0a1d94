"""The heavy parts of a self-test, each in a process of its own: what crashes there is a finding, and not the end."""

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

from edge.bundle import Bundle, open_bundle
from edge.doctor.checks_settings import settings_for_board
from edge.errors import M3erError
from edge.settings.settings import Settings

Part = Literal["self-test", "clip", "steps"]
_ROUNDS, _WARM_UP_S = 12, 2.0


class Crash(Exception):
    """A library ended the process."""


def apart(part: Part, bundle: Path, board: str) -> Any:
    """What a part gives, as JSON has it.

    Args:
        board: a profile's name or file; empty: as a run finds it.

    Raises:
        M3erError: as the part does.
        Crash: it ended otherwise.
    """
    done = subprocess.run(
        [sys.executable, "-m", "edge.selftest.apart", part, str(bundle), board],
        capture_output=True,
        stdin=subprocess.DEVNULL,
        check=False,
        encoding="utf-8",
        errors="replace",
    )
    if done.returncode == 0:
        return json.loads(done.stdout.strip().rpartition("\n")[2])
    last = (done.stderr.strip().splitlines() or [""])[-1]
    if done.returncode == 2:
        raise M3erError(last)
    raise Crash(f"crashes (signal {-done.returncode})" if done.returncode < 0 else f"ended unexpectedly ({last})")


def _self_test(bundle: Bundle, settings: Settings) -> Any:
    from edge.selftest.stored import self_test

    return [asdict(result) for result in self_test(bundle, settings, every_variant=True)]


def _clip(bundle: Bundle, settings: Settings) -> Any:
    from edge.selftest.clip import run_clip

    return run_clip(bundle, settings).model_dump()


def _steps(bundle: Bundle, settings: Settings) -> Any:
    from edge.bench.step_times import time_steps
    from edge.selftest.clip import CLIP

    return [step.model_dump() for step in time_steps(bundle, settings, CLIP, _ROUNDS, _WARM_UP_S)]


_PARTS: Mapping[str, Callable[[Bundle, Settings], Any]] = {"self-test": _self_test, "clip": _clip, "steps": _steps}


def _main() -> int:
    part, folder, board = sys.argv[1:]
    try:
        bundle = open_bundle(Path(folder))
        result = _PARTS[part](bundle, settings_for_board(board).settings_for(bundle))
    except M3erError as error:
        print(error, file=sys.stderr)
        return 2
    print("\n" + json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(_main())
