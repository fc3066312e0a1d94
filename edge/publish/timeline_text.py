"""Text that fits the place it is written in, measured with the font it is drawn in."""

from collections.abc import Sequence
from functools import lru_cache

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.font_manager import FontProperties

_SHORTEST = 4  # letters, below which a clipped word says nothing
_SHORTEST_LONG = 12  # letters, below which a shorter wording says more than a longer one cut


class Ruler:
    """Measures text, in pixels of the figure, before it is drawn."""

    def __init__(self, canvas: FigureCanvasAgg) -> None:
        self._renderer = canvas.get_renderer()
        self._measure = lru_cache(maxsize=4096)(self._measure_now)

    def width_px(self, text: str, size_pt: float, *, bold: bool = False) -> float:
        """The width of one line of text."""
        return self._measure(text, size_pt, bold)

    def fit(self, wordings: Sequence[str], room_px: float, size_pt: float, *, bold: bool = False) -> str | None:
        """The best of some wordings that fits, cut short if need be; None if there is no room.

        Args:
            wordings: the same thing said at full length first, and most briefly last.
        """
        *longer, briefest = (" ".join(wording.split()) for wording in wordings)
        for wording in longer:
            if self.width_px(wording, size_pt, bold=bold) <= room_px:
                return wording
        if longer and (cut := self._cut(longer[0], room_px, size_pt, bold, _SHORTEST_LONG)):
            return cut
        if self.width_px(briefest, size_pt, bold=bold) <= room_px:
            return briefest
        return self._cut(briefest, room_px, size_pt, bold, _SHORTEST)

    def wrap(self, text: str, room_px: float, size_pt: float) -> str | None:
        """``text`` on one line, or on two of like length, cut short if need be; None if there is no room."""
        words = text.split()
        lines = [" ".join(words)]
        if len(words) > 1 and self.width_px(lines[0], size_pt) > room_px:
            breaks = ((" ".join(words[:at]), " ".join(words[at:])) for at in range(1, len(words)))
            lines = list(min(breaks, key=lambda pair: max(self.width_px(line, size_pt) for line in pair)))
        fitted = [self.fit([line], room_px, size_pt) for line in lines]
        return "\n".join(line for line in fitted if line) or None

    def _cut(self, text: str, room_px: float, size_pt: float, bold: bool, shortest: int) -> str | None:
        guess = int(len(text) * room_px / max(self.width_px(text, size_pt, bold=bold), 1.0)) + 2
        for length in range(min(guess, len(text) - 1), shortest - 1, -1):
            cut = text[:length].rstrip() + "…"
            if self.width_px(cut, size_pt, bold=bold) <= room_px:
                return cut
        return None

    def _measure_now(self, text: str, size_pt: float, bold: bool) -> float:
        font = FontProperties(size=size_pt, weight="bold" if bold else "normal")
        width_px, _, _ = self._renderer.get_text_width_height_descent(text, font, False)
        return float(width_px)
