"""``make soak``: a live run whose devices fail one after another, held to the budgets of :mod:`edge.budgets`.

python -m tests.soak.soak --minutes 20 --out out/soak
"""

import argparse
import json
import random
import sys
import time
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from edge.budgets import DETECTED_S, RECOVERED_S
from tests.soak.faults import FAULTS, Fault
from tests.soak.judge import Happened, Soak, present
from tests.soak.live_run import LiveRun
from tests.soak.picture import draw_soak
from tests.soak.scene import Scene, scene
from tests.soak.usage import Watch
from tests.soak.verdict import fault_table, goal_table, verdict

_WARM_UP_S = 6.0
_BROKEN_S = 4.0
_PERIOD_S = 10.0
_QUIET_END_S = 2.0


def soak(folder: Path, minutes: float | None, seed: int = 0, progress: Progress | None = None) -> Soak:
    """Run it.

    Args:
        minutes: a fault every ten seconds for so long; None: every fault once, the next as soon as the last is over.
    """
    faults = list(FAULTS)
    rng = random.Random(seed)
    rng.shuffle(faults)
    count = len(faults) if minutes is None else max(1, int((60 * minutes - _WARM_UP_S) / _PERIOD_S))
    happened: list[Happened] = []
    with scene() as here:
        run = LiveRun(
            folder,
            *("--camera", here.camera.url, "--mic", "default", "--log", "json"),
            environment=here.microphone.environment,
        )
        with run:
            watch = Watch(run)
            run.wait_for_readings(1, 20)
            watch.sleep(_WARM_UP_S)
            began_s = time.monotonic()
            bar = progress.add_task("faults", total=count) if progress is not None else None
            for number in range(count):
                if number and number % len(faults) == 0:
                    rng.shuffle(faults)
                fault = faults[number % len(faults)]
                happened.append(_one(fault, here, run, watch, None if minutes is None else _PERIOD_S))
                if progress is not None and bar is not None:
                    progress.update(bar, advance=1, description=fault.name)
            watch.sleep(_QUIET_END_S)
            length_s = time.monotonic() - began_s + _WARM_UP_S
            family = {process.pid: process.name for process in run.processes()}
            run.stop()
        left = [f"{name} ({pid})" for pid, name in family.items() if Path(f"/proc/{pid}").exists()]
        left += [str(path) for path in Path("/dev/shm").glob("*m3er*")]
    assert run.ended_s is not None and run.status is not None
    return Soak(
        happened=happened,
        readings=run.readings(),
        usage=watch.usage,
        wall_ahead_s=time.time() - time.monotonic(),
        length_s=length_s,
        ended_s=run.ended_s,
        status=run.status,
        left_over=left,
        log=run.log,
    )


def _one(fault: Fault, here: Scene, run: LiveRun, watch: Watch, period_s: float | None) -> Happened:
    began_s, broken_s = time.monotonic(), time.time()
    fault.break_it(here, run)
    # Before that, what hangs may still be taken for well.
    watch.sleep(_BROKEN_S if fault.noticed and not fault.mends_itself else DETECTED_S)
    fault.mend_it(here, run)
    mended_s = broken_s if fault.mends_itself else time.time()
    if period_s is not None:
        watch.sleep(began_s + period_s - time.monotonic())
    else:
        until_s = time.monotonic() + 2 * RECOVERED_S
        while time.monotonic() < until_s:
            watch.sleep(0.5)
            newest = run.readings()[-2:]
            if all(present(reading, modality) for reading in newest for modality in fault.hits):
                break
    return Happened(fault.name, fault.hits, fault.noticed, broken_s, mended_s, time.time())


def main() -> int:
    """Run, print the tables, draw the picture; 1 if a goal was missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=None, help="a fault every 10 s; default: each fault once")
    parser.add_argument("--out", type=Path, default=Path("out/soak"))
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    console = Console()
    with Progress(console=console) as progress:
        result = soak(args.out, args.minutes, args.seed, progress)
    rows = verdict(result)
    console.print(fault_table(result.outcomes))
    console.print(goal_table(rows))
    (args.out / "soak.json").write_text(json.dumps([row.__dict__ for row in rows], indent=2), encoding="utf-8")
    draw_soak(result, args.out / "soak.png")
    console.print(f"picture: {args.out / 'soak.png'}, log: {args.out / 'log.txt'}")
    return 0 if all(row.good for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
