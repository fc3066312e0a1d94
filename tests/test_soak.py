"""Two minutes of a live run in which everything fails once: `make soak` in small, with the same goals."""

from pathlib import Path

import pytest

from tests.real import microphone
from tests.soak.faults import FAULTS
from tests.soak.judge import wall_s
from tests.soak.picture import draw_soak
from tests.soak.soak import soak
from tests.soak.verdict import verdict

pytest.importorskip("pyaudio", reason="PyAudio is not installed: run 'make live'")
pytestmark = pytest.mark.skipif(bool(microphone.missing()), reason=microphone.missing())


def test_a_run_survives_every_fault_within_its_budgets(tmp_path: Path) -> None:
    result = soak(tmp_path, minutes=None, seed=3)
    missed = [row for row in verdict(result) if not row.good]
    assert not missed, f"{missed}\n{[o for o in result.outcomes if o.recovered_s is None]}\n{result.log}"
    assert {happened.name for happened in result.happened} == {fault.name for fault in FAULTS}
    both = next(o.happened for o in result.outcomes if o.happened.name == "both sensors gone")
    blind = [r for r in result.readings if both.broken_s + 3 < wall_s(r) < both.mended_s]
    assert blind and all(r.emotion == "unknown" and r.evidence == "none" for r in blind)
    draw_soak(result, tmp_path / "soak.png")
    assert (tmp_path / "soak.png").stat().st_size > 50_000
