"""What ours is compared with does its work: otherwise a ratio means nothing."""

import functools
import os
from pathlib import Path

import numpy as np
import pytest

from edge.bench.bench import SAMPLE_CLIP
from edge.bench.step_times import speech_blocks
from edge.bench.timing import interleaved
from edge.board import Board
from edge.bundle import DEFAULT, NETS, Bundle, open_bundle
from edge.perceive.face_detector import open_detector
from edge.perceive.log_mel import log_mel
from export.bench import compare, growth, log_mel_peers, peers
from export.bench.long_run import long_run
from export.bench.made_tables import random_tables
from export.bench.script_people_write import Script

PEERS = Path(os.environ.get("M3ER_PEERS", "../shared/data/peers"))
_needs_peers = pytest.mark.skipif(not PEERS.is_dir(), reason=f"{PEERS} is not there: other projects' face nets")


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return open_bundle(DEFAULT)


@pytest.fixture(scope="module")
def board(bundle: Bundle) -> Board:
    nets = {name: {"engine": v.engine, "precision": v.precision} for name in NETS for v in [bundle.net(name)]}
    return Board.model_validate({"nets": nets})


@_needs_peers
def test_the_script_that_people_write_finds_the_face_and_gives_probabilities() -> None:
    script = Script(PEERS / peers.MINI_XCEPTION, classes=7)
    frames, sound = peers.good_moment(SAMPLE_CLIP)
    assert len(frames) == 5 and sound.shape == (48_000,) and np.abs(sound).max() <= 1
    found = [len(script.faces(frame)) for frame in frames]
    assert sum(found) >= 4, "it has faces to work on"
    for _ in range(3):
        probabilities = script.step(frames, sound)
    assert probabilities.shape == (7,) and probabilities.sum() == pytest.approx(1.0, abs=1e-5)
    assert len(script.expression(script.faces(frames[0])[0])) == 7


@_needs_peers
def test_all_comparisons_are_made(bundle: Bundle, board: Board, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compare, "interleaved", functools.partial(interleaved, rounds=1))
    found = [
        *peers.whole_step(bundle, board, SAMPLE_CLIP, open_detector(None), PEERS),
        *peers.face_encoders(bundle, PEERS),
    ]
    assert len({peer.group for peer in found}) == 3
    assert all(peer.ours_us > 0 and peer.theirs_us > 0 for peer in found)


def test_the_parts_are_compared(bundle: Bundle, board: Board, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compare, "interleaved", functools.partial(interleaved, rounds=1))
    found = [*log_mel_peers.log_mels(SAMPLE_CLIP), *peers.check_and_proxy(bundle), *peers.fusion(bundle, board)]
    assert [peer.theirs for peer in found if peer.group == "check + proxy"] == ["scikit-learn"]
    # far below what is measured, so that it holds on any machine: what we multiply once, they do many times
    assert all(peer.ratio > 2 for peer in found if peer.group in ("check + proxy", "fusion"))


def test_librosa_and_opensmile_compute_the_same_kind_of_frames() -> None:
    """Not to the decimal (their mel scales and windows differ), but speech is loud where it is loud."""
    window = np.concatenate([block.samples for block in speech_blocks(SAMPLE_CLIP)])[:48_000]
    ours = log_mel(window)
    with log_mel_peers.log_mel_calls(window) as calls:
        for name, call in calls.items():
            theirs = np.asarray(call())
            theirs = theirs if theirs.shape[1] == 48 else theirs.T
            count = min(len(ours), len(theirs))
            assert theirs.shape[1] == 48 and abs(len(ours) - len(theirs)) <= 3, name
            together = np.corrcoef(ours[:count].mean(axis=1), theirs[:count].mean(axis=1))[0, 1]
            assert together > 0.9, (name, together)


def test_growth_is_measured_at_every_size(bundle: Bundle, board: Board, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(growth, "ROUNDS", 1)
    found = growth.growths(bundle, board, SAMPLE_CLIP, open_detector(None))
    assert [g.name for g in found] == [
        "canonical dimensions",
        "basis rows",
        "feature dimension",
        "frames per second",
    ]
    assert all(len(g.at) == len(g.cpu_us) >= 5 and min(g.cpu_us) > 0 for g in found)


def test_a_long_run_is_looked_at_after_every_block(bundle: Bundle) -> None:
    long = long_run(bundle, Board(), SAMPLE_CLIP, steps=60, block=20)
    assert long.steps == [20, 40, 60]
    assert len(long.cpu_us) == len(long.resident_mb) == len(long.allocated_blocks) == 3


def test_made_tables_hold_together() -> None:
    tables = random_tables(np.random.default_rng(0), dim=16, r=4, rows=20)
    back = type(tables).from_arrays(tables.to_arrays())
    assert back.dim == 16 and len(back.basis["face"]) == 20 and back.projection["face", "text"].shape == (4, 16)
