"""How fast a live run looks and thinks: slower in steps under load and heat, and back when it is over.

First fewer pictures, then fewer steps. It slows down after two steps in a row that took most of their time, or while
the processor is throttled or hotter than it may be; it speeds up after a calm time, which doubles when that was too
early.
"""

from edge.heat import Heat
from edge.reading import Pace, SlowedBy
from edge.settings.settings import Pacing

_SLOWER_RATES_HZ, _MORE_HOPS = (5.0, 3.0), (2, 4)
"""The levels below the full pace: pictures a second, then hops from step to step."""
_BUSY, _CALM = 0.8, 0.4
"""Shares of the time from step to step in which the run works."""
_BUSY_STEPS = 2
_CALM_S, _MOST_CALM_S = 10.0, 160.0
_HEAT_EVERY_S = 15.0
"""A slower pace needs time to cool the processor."""


class PaceKeeper:
    """Told after every step how it went; knows how fast to go on.

    Args:
        hop_s: of the bundle.
        full: the pace when all is well, and the heat that is too much.
    """

    def __init__(self, hop_s: float, full: Pacing | None = None) -> None:
        full = full or Pacing()
        self._hop_s, self._slow_at_c = hop_s, full.slow_at_c
        self._levels = _levels(full.frame_rate_hz, full.step_hops)
        self._level = 0
        self._reason: SlowedBy | None = None
        self._temperature_c: float | None = None
        self._busy_steps = 0
        self._calm_since_ns: int | None = None
        self._calm_s = _CALM_S
        self._changed_ns: int | None = None
        self._sped_up_ns: int | None = None

    @property
    def pace(self) -> Pace:
        """As it stands in the readings."""
        frame_rate_hz, hops = self._levels[self._level]
        return Pace(
            hop_s=self._hop_s * hops,
            frame_rate_hz=frame_rate_hz,
            slowed_by=self._reason if self._level else None,
            temperature_c=self._temperature_c,
        )

    def after_step(self, now_ns: int, busy_s: float, heat: Heat) -> None:
        """Args: now_ns: monotonic; busy_s: how long the run worked since the step before; heat: of the processor."""
        self._temperature_c = heat.temperature_c
        share = busy_s / self.pace.hop_s
        hot = heat.throttled or self._too_hot
        self._busy_steps = self._busy_steps + 1 if share > _BUSY else 0
        if share > _CALM or hot:
            self._calm_since_ns = None
        elif self._calm_since_ns is None:
            self._calm_since_ns = now_ns
        if self._busy_steps >= _BUSY_STEPS:
            self._slow_down(now_ns, "overload")
        elif hot and _passed(now_ns, self._changed_ns, _HEAT_EVERY_S):
            self._slow_down(now_ns, "heat")
        elif self._level and self._calm_since_ns is not None and now_ns - self._calm_since_ns >= self._calm_s * 1e9:
            self._level -= 1
            self._calm_since_ns, self._changed_ns, self._sped_up_ns = None, now_ns, now_ns

    @property
    def _too_hot(self) -> bool:
        limit_c, now_c = self._slow_at_c, self._temperature_c
        return limit_c is not None and now_c is not None and now_c >= limit_c

    def _slow_down(self, now_ns: int, reason: SlowedBy) -> None:
        too_early = self._sped_up_ns is not None and not _passed(now_ns, self._sped_up_ns, self._calm_s)
        self._calm_s = min(_MOST_CALM_S, 2 * self._calm_s) if too_early else _CALM_S
        self._busy_steps, self._changed_ns, self._sped_up_ns = 0, now_ns, None
        self._level, self._reason = min(self._level + 1, len(self._levels) - 1), reason


def _levels(frame_rate_hz: float, hops: int) -> tuple[tuple[float, int], ...]:
    """(Pictures a second, hops from step to step), the full pace first; each has fewer of one."""
    rates_hz = [frame_rate_hz, *(rate_hz for rate_hz in _SLOWER_RATES_HZ if rate_hz < frame_rate_hz)]
    slower = ((rates_hz[-1], more) for more in _MORE_HOPS if more > hops)
    return (*((rate_hz, hops) for rate_hz in rates_hz), *slower)


def _passed(now_ns: int, since_ns: int | None, seconds: float) -> bool:
    return since_ns is None or now_ns - since_ns >= seconds * 1e9
