"""The pace of a live run: down in steps under load and heat, back when it is calm, without flapping."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from edge.heat import Heat
from edge.pace import PaceKeeper
from edge.reading import Pace
from edge.settings.settings import Pacing

COOL, HOT = Heat(50.0, False, None), Heat(85.0, True, "throttled")
HOP_S = 0.5


class Clock:
    """Feeds a pace keeper with steps that take a share of their time."""

    def __init__(self) -> None:
        self.keeper, self.now_s = PaceKeeper(HOP_S), 0.0

    def steps(self, count: int, share: float, heat: Heat = COOL) -> list[Pace]:
        paces = []
        for _ in range(count):
            hop_s = self.keeper.pace.hop_s
            self.now_s += hop_s
            self.keeper.after_step(round(self.now_s * 1e9), share * hop_s, heat)
            paces.append(self.keeper.pace)
        return paces


def speed(pace: Pace) -> float:
    return pace.frame_rate_hz / pace.hop_s


def test_a_calm_run_keeps_its_pace() -> None:
    for pace in Clock().steps(100, share=0.1):
        assert (pace.hop_s, pace.frame_rate_hz, pace.slowed_by) == (HOP_S, 10.0, None)


def test_one_late_step_changes_nothing() -> None:
    clock = Clock()
    clock.steps(5, 0.1)
    clock.steps(1, 3.0)
    assert clock.steps(5, 0.1)[-1].slowed_by is None


def test_load_slows_pictures_first_then_steps_and_calm_brings_both_back() -> None:
    clock = Clock()
    down = clock.steps(30, share=1.2)
    assert [(p.frame_rate_hz, p.hop_s) for p in down[1::2]][:4] == [(5, 0.5), (3, 0.5), (3, 1.0), (3, 2.0)]
    assert down[-1] == down[-5] and down[-1].slowed_by == "overload"
    up = clock.steps(200, share=0.1)
    assert up[-1].slowed_by is None and up[-1].hop_s == HOP_S and up[-1].frame_rate_hz == 10.0


def test_heat_slows_down_even_an_idle_run_and_says_why() -> None:
    clock = Clock()
    hot = clock.steps(100, share=0.05, heat=HOT)
    assert hot[0].slowed_by == "heat" and hot[0].temperature_c == 85.0
    assert hot[1] == hot[0]  # a slower pace is given time to cool
    assert speed(hot[-1]) < speed(hot[0])
    assert clock.steps(100, share=0.05)[-1].slowed_by is None


def test_what_is_too_fast_again_and_again_is_tried_less_and_less_often() -> None:
    """A board that can do five pictures a second and not ten must not swing to and fro."""
    clock, changes_at_s, last = Clock(), [], 10.0
    while clock.now_s < 1200:
        pace = clock.steps(1, share=0.9 if clock.keeper.pace.frame_rate_hz == 10.0 else 0.3)[0]
        if pace.frame_rate_hz > last:
            changes_at_s.append(clock.now_s)
        last = pace.frame_rate_hz
    gaps = [b - a for a, b in pairwise(changes_at_s)]
    assert gaps[0] < 30 and gaps[-1] > 150
    assert len(changes_at_s) < 15


@given(st.lists(st.tuples(st.floats(0, 10), st.booleans()), max_size=60))
def test_whatever_happens_the_pace_changes_by_one_step_at_a_time_and_recovers(turns: list[tuple[float, bool]]) -> None:
    clock, last = Clock(), speed(PaceKeeper(HOP_S).pace)
    speeds = sorted({speed(p) for p in Clock().steps(30, 2.0)} | {last})
    for share, hot in turns:
        now = speed(clock.steps(1, share, HOT if hot else COOL)[0])
        assert abs(speeds.index(now) - speeds.index(last)) <= 1
        last = now
    assert clock.steps(800, share=0.1)[-1].slowed_by is None


def test_a_slower_full_pace_has_fewer_levels_below_it() -> None:
    clock = Clock()
    clock.keeper = PaceKeeper(HOP_S, Pacing(frame_rate_hz=4.0, step_hops=2))
    assert (clock.keeper.pace.frame_rate_hz, clock.keeper.pace.hop_s) == (4.0, 2 * HOP_S)
    paces = clock.steps(40, share=0.95)
    assert [(p.frame_rate_hz, p.hop_s / HOP_S) for p in paces[1::2]][:3] == [(3.0, 2), (3.0, 4), (3.0, 4)]


@given(st.floats(1, 30), st.integers(1, 4))
def test_each_level_is_slower_than_the_one_above(frame_rate_hz: float, step_hops: int) -> None:
    clock = Clock()
    clock.keeper = PaceKeeper(HOP_S, Pacing(frame_rate_hz=frame_rate_hz, step_hops=step_hops))
    speeds = [speed(clock.keeper.pace), *(speed(pace) for pace in clock.steps(20, share=0.95))]
    changes = [b / a for a, b in pairwise(speeds)]
    assert all(change <= 1 for change in changes)
    assert speeds[0] == frame_rate_hz / (step_hops * HOP_S)


def test_heat_above_the_limit_slows_down_though_the_kernel_does_not_and_cools_back() -> None:
    clock = Clock()
    clock.keeper = PaceKeeper(HOP_S, Pacing(slow_at_c=75.0))
    assert clock.steps(5, 0.1, Heat(74.9, False, None))[-1].slowed_by is None
    hot = clock.steps(20, 0.1, Heat(75.0, False, None))
    assert hot[-1].slowed_by == "heat" and hot[-1].frame_rate_hz == 5.0
    assert clock.steps(40, 0.1, Heat(None, False, None))[-1].slowed_by is None, "no sensor is no heat"
