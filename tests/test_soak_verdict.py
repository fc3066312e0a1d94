"""The soak's own arithmetic, on made readings: what was noticed, what came back, what a run may cost."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread
from rich.console import Console

from edge.reading import MODALITIES, Modality, ModalityReading, Pace, Reading
from tests.soak.faults import FAULTS
from tests.soak.judge import Happened, Soak, judge, lateness_ms, lost_or_repeated, slope_per_h, step_rate
from tests.soak.live_run import LiveRun, Process
from tests.soak.picture import draw_soak
from tests.soak.usage import Usage, Watch
from tests.soak.verdict import fault_table, goal_table, verdict

BEGAN_S = datetime(2026, 1, 5, 10, tzinfo=timezone.utc).timestamp()
"""The wall clock at the run's start; the monotonic one of its usage stands at 0."""
LIVE = ModalityReading(state="live", age_s=0.05, quality=0.9)
GONE = ModalityReading(state="proxy", reason="no picture")
FREEZE_S = (10.0, 14.0, 20.0)
KILLED_S = (20.0, 20.0, 30.0)


def reading(sequence: int, t_s: float, lost: tuple[Modality, ...] = (), hop_s: float = 0.5) -> Reading:
    """One of a run; `lost`: what gives nothing."""
    at = datetime.fromtimestamp(BEGAN_S + t_s, timezone.utc).isoformat(timespec="milliseconds")
    return Reading(
        sequence=sequence,
        time=at.replace("+00:00", "Z"),
        t=t_s,
        emotion="happy" if not lost else "unknown",
        confidence=0.9,
        probabilities={"happy": 0.9, "sad": 0.1},
        modalities={m: GONE if m in lost else LIVE for m in MODALITIES},
        evidence="correlation",
        correlation={},
        threshold={},
        pace=Pace(hop_s=hop_s, frame_rate_hz=10.0),
        latency_ms={"capture_to_reading": 40.0},
        bundle="made@sha256:0",
    )


def readings(lost_s: dict[Modality, tuple[float, float]] | None = None, length_s: float = 40.0) -> list[Reading]:
    """A step every half second, 4 ms late; what is lost from when to when."""
    steps = [(number, 0.5 * (number + 1) + 0.004) for number in range(int(2 * length_s))]
    spans = (lost_s or {}).items()
    return [reading(n, t_s, tuple(m for m, (from_s, to_s) in spans if from_s <= t_s < to_s)) for n, t_s in steps]


def happened(at_s: tuple[float, float, float], *hits: Modality, noticed: bool = True) -> Happened:
    """A fault that was broken, mended and over at these seconds of the run."""
    broken_s, mended_s, over_s = (BEGAN_S + second for second in at_s)
    return Happened("camera: freeze", hits or ("face",), noticed, broken_s, mended_s, over_s)


def soak(length_s: float = 40.0, growth_mb_per_h: float = 0.0) -> Soak:
    """A run without fault: the camera froze, the words' worker was killed, both were noticed and came back."""
    usage = {}
    for name, pid in (("m3er-edge", 1), ("m3er-camera", 2), ("m3er-microphone", 3), ("m3er-words", 4)):
        times_s = [float(second) for second in range(int(length_s))]
        pids = [pid if name != "m3er-words" or second < KILLED_S[0] else 5 for second in times_s]
        memory_mb = [50 + growth_mb_per_h * second / 3600 for second in times_s]
        usage[name] = Usage(times_s, pids, memory_mb, [20] * len(times_s), dict.fromkeys(pids, 0.02 * length_s))
    killed = replace(happened(KILLED_S, "text", noticed=False), name="words worker killed")
    return Soak(
        happened=[happened(FREEZE_S), killed],
        readings=readings({"face": (10.9, 14.2), "text": (20.3, 22.0)}, length_s),
        usage=usage,
        wall_ahead_s=BEGAN_S,
        length_s=length_s,
        ended_s=0.2,
        status=0,
        left_over=[],
        log="",
    )


def missed(result: Soak) -> list[str]:
    """The goals that were not reached."""
    return [row.what for row in verdict(result) if not row.good]


def test_a_fault_is_noticed_and_over_when_readings_say_so() -> None:
    outcome = judge(happened(FREEZE_S), readings({"face": (10.9, 14.7)}))
    assert outcome.detected_s == pytest.approx(1.004), "the first reading without the face is that at 11.0 s"
    assert outcome.recovered_s == pytest.approx(1.004), "the first with it again that at 15.0 s"
    assert outcome.reasons == ("no picture",) and outcome.rate == pytest.approx(1.0)


def test_two_senses_are_noticed_when_both_are_gone_and_back_when_both_are_back() -> None:
    outcome = judge(happened(FREEZE_S, "face", "speech"), readings({"face": (10.4, 14.2), "speech": (11.4, 16.2)}))
    assert outcome.detected_s == pytest.approx(1.504)
    assert outcome.recovered_s == pytest.approx(2.504)


def test_a_killed_worker_is_back_after_it_was_gone() -> None:
    outcome = judge(happened(KILLED_S, "text", noticed=False), readings({"text": (21.2, 23.2)}))
    assert outcome.detected_s == pytest.approx(1.504)
    assert outcome.recovered_s == pytest.approx(3.504)
    unseen = judge(happened(KILLED_S, "text", noticed=False), readings())
    assert unseen.detected_s is None
    assert unseen.recovered_s == pytest.approx(0.004, abs=1e-6), "it may be back before anybody misses it"


def test_what_the_check_itself_turned_down_is_no_lost_device() -> None:
    looked_at = ModalityReading(state="proxy", reason="uncorrelated")
    run = [r.model_copy(update={"modalities": {**r.modalities, "face": looked_at}}) for r in readings()]
    assert judge(happened(FREEZE_S), run).detected_s is None


def test_a_step_that_was_left_out_counts_wherever_in_a_fault_it_was() -> None:
    run = readings()
    for gone_s in ((12.0, 13.0), (9.2, 10.8), (19.2, 20.8)):
        rest = [r for r in run if not gone_s[0] < r.t < gone_s[1]]
        assert judge(happened(FREEZE_S), rest).rate < 0.95, f"no step between {gone_s[0]} and {gone_s[1]} s"
    assert judge(happened(FREEZE_S), [r for r in run if not 22 < r.t < 24]).rate == pytest.approx(1.0)
    assert np.isnan(step_rate(run[:1]))


def test_a_slower_pace_owes_fewer_steps_and_none_of_them_is_late() -> None:
    slow = [reading(80 + number, 40.0 + number + 1.004, hop_s=1.0) for number in range(10)]
    quick = [reading(90 + number, 50.0 + (number + 1) / 2 + 0.004) for number in range(10)]
    run = [*readings()[:79], reading(79, 40.004), *slow, *quick]
    assert step_rate(run) == pytest.approx(1.0)
    assert step_rate(run[:-10]) == pytest.approx(1.0)
    assert lateness_ms(run) == pytest.approx(4.0)
    run[85] = reading(85, run[85].t + 0.7, hop_s=1.0)
    assert lateness_ms(run)[85] == pytest.approx(704.0)


def test_lateness_beyond_half_a_step_is_not_taken_for_early() -> None:
    run = readings()
    run[30] = reading(30, run[30].t + 0.4)
    late = lateness_ms(run)
    assert late[30] == pytest.approx(404.0) and np.delete(late, 30) == pytest.approx(4.0)


def test_lost_and_repeated_readings_are_counted() -> None:
    run = readings()
    assert lost_or_repeated(run) == 0
    assert lost_or_repeated([*run[:10], *run[12:]]) == 2
    assert lost_or_repeated([*run[:10], run[9], *run[10:]]) == 1
    assert lost_or_repeated([*run[:10], run[8], *run[11:]]) == 2, "one lost and one twice"


def test_growth_is_fitted_after_the_warm_up() -> None:
    times_s = [float(second) for second in range(0, 3600, 10)]
    memory_mb = [100 + 30 * min(1.0, second / 600) + 3 * second / 3600 for second in times_s]
    assert slope_per_h(times_s, memory_mb) == pytest.approx(3.0)
    assert slope_per_h([0.0, 1.0], [1.0, 2.0]) == 0


def test_a_good_soak_reaches_every_goal() -> None:
    assert missed(soak()) == []
    assert missed(soak(600.0, growth_mb_per_h=0.5)) == []


def _never_noticed(result: Soak) -> None:
    result.readings = readings({"text": (20.3, 22.0)}, result.length_s)


def _never_back(result: Soak) -> None:
    result.readings = readings({"face": (10.9, 25.0), "text": (20.3, 22.0)}, result.length_s)


def _late_noticed(result: Soak) -> None:
    result.readings = readings({"face": (12.5, 14.2), "text": (20.3, 22.0)}, result.length_s)


def _late_back(result: Soak) -> None:
    result.readings = readings({"face": (10.9, 19.2), "text": (20.3, 22.0)}, result.length_s)


def _lost(result: Soak) -> None:
    del result.readings[60]


def _late(result: Soak) -> None:
    result.readings[::20] = [r.model_copy(update={"t": r.t + 0.1}) for r in result.readings[::20]]


def _old(result: Soak) -> None:
    result.readings[::20] = [
        r.model_copy(update={"latency_ms": {"capture_to_reading": 300.0}}) for r in result.readings[::20]
    ]


def _stood_still(result: Soak) -> None:
    rest = [r for r in result.readings if not 15.2 < r.t < 17.8]
    result.readings = [r.model_copy(update={"sequence": number}) for number, r in enumerate(rest)]


def _strange_process(result: Soak) -> None:
    result.usage["ffmpeg"] = Usage([1.0], [9], [1.0], [3], {9: 0.0})


def _fat(result: Soak) -> None:
    result.usage["m3er-camera"].memory_mb[7] = 151


def _busy_over_two_lives(result: Soak) -> None:
    result.usage["m3er-words"].cpu_s.update(dict.fromkeys((4, 5), 0.16 * result.length_s))


def _open_files(result: Soak) -> None:
    result.usage["m3er-edge"].files[-1] += 1


@pytest.mark.parametrize(
    ("spoil", "goals"),
    [
        (_never_noticed, ["faults noticed"]),
        (_never_back, ["back after the device's return"]),
        (_late_noticed, ["faults noticed"]),
        (_late_back, ["back after the device's return"]),
        (_lost, ["readings lost or repeated"]),
        (_late, ["step lateness, 99th percentile"]),
        (_old, ["capture to reading, 99th percentile"]),
        (_stood_still, ["... during the worst fault"]),
        (_strange_process, ["ffmpeg: has no budget"]),
        (_fat, ["m3er-camera: resident memory"]),
        (_busy_over_two_lives, ["m3er-words: of one core"]),
        (_open_files, ["m3er-edge: open files at the end"]),
        (lambda result: setattr(result, "ended_s", 2.5), ["ended after SIGTERM"]),
        (lambda result: setattr(result, "status", 1), ["ended after SIGTERM"]),
        (lambda result: setattr(result, "left_over", ["m3er-words (7)"]), ["left over at the end"]),
    ],
)
def test_a_goal_is_missed_when_it_is(spoil: Callable[[Soak], None], goals: list[str]) -> None:
    result = soak(600.0)
    spoil(result)
    assert missed(result) == goals


def test_memory_that_grows_is_only_told_from_a_warm_up_in_a_long_soak() -> None:
    assert missed(soak(600.0, growth_mb_per_h=1.5)) == ["m3er-edge: growth after warm-up"]
    assert soak(60.0, growth_mb_per_h=100.0).growth_mb_per_h is None


def test_a_worker_that_just_began_counts_under_the_name_that_it_takes(tmp_path: Path) -> None:
    class Run(LiveRun):
        looks = iter((("python", 11.0), ("m3er-words", 50.0)))

        def processes(self) -> list[Process]:
            name, memory_mb = next(self.looks)
            return [Process(pid=7, name=name, cpu_s=0.1, memory_mb=memory_mb, files=9)]

    watch = Watch(Run(tmp_path))
    watch.look()
    watch.look()
    assert list(watch.usage) == ["m3er-words"] and watch.usage["m3er-words"].memory_mb == [11.0, 50.0]


@pytest.mark.parametrize("width", [80, 120])
def test_tables_keep_their_first_column_on_one_line(width: int) -> None:
    result = soak(600.0)
    result.left_over = [f"m3er-words ({number})" for number in range(9)]
    outcome = replace(result.outcomes[0], reasons=("camera cannot be opened", "no picture", "camera no picture"))
    outcomes = [replace(outcome, happened=replace(outcome.happened, name=fault.name)) for fault in FAULTS]
    outcomes += [replace(outcome, detected_s=None, recovered_s=None) for outcome in outcomes]
    console = Console(width=width, color_system=None)
    with console.capture() as capture:
        console.print(fault_table(outcomes))
        console.print(goal_table(verdict(result)))
    lines = capture.get().splitlines()
    for first in [*(fault.name for fault in FAULTS), *(row.what for row in verdict(result))]:
        assert any(line.startswith(first + " ") for line in lines), f"{first} is cut or wrapped"
    assert max(len(line) for line in lines) <= width


def test_kinds_of_fault_are_told_by_their_worst() -> None:
    first, second = judge(happened(FREEZE_S), readings({"face": (10.9, 14.7)})), soak().outcomes[0]
    console = Console(width=120, color_system=None)
    with console.capture() as capture:
        console.print(fault_table([first, second, replace(second, detected_s=None)]))
    (line,) = [line for line in capture.get().splitlines() if line.startswith("camera: freeze")]
    assert " ".join(line.split()) == "camera: freeze 3 1.0 s, 1 never 1.0 s no picture"


@pytest.mark.parametrize("length_s", [40.0, 400.0])
def test_a_picture_is_drawn(tmp_path: Path, length_s: float) -> None:
    result = soak(length_s)
    _strange_process(result)
    _old(result)
    path = tmp_path / "new" / "soak.png"
    draw_soak(result, path)
    picture = np.rint(imread(path)[..., :3] * 255)
    assert picture.shape[1] == 2400 and (picture.shape[0] > 3 * 1000) == (length_s > 180)
    lane = picture[:500, :2000]  # above the budgets, and left of the legend, which have the colour too
    assert (lane == [0xD5, 0x5E, 0x00]).all(axis=-1).sum() > 1000, "a fault must be seen"
