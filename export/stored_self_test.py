"""The stored self-test of a bundle: real inputs from the sample clip, and what each file of the bundle answers here.

The inputs come from the device's own perception of the clip that ships with the program, so that whoever has the
program can make them again.
"""

import copy
import functools
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import edge
from edge.bundle import Bundle, NetName
from edge.capture.media_file import MediaFile
from edge.capture.sample import AudioBlock, Frame
from edge.engines.engine import Engine
from edge.errors import M3erError
from edge.m3er.check import ModalityCheck, Verdict
from edge.m3er.fusion import STATE
from edge.models import VOSK_TINY_EN
from edge.models.find import find_speech_model
from edge.nets import open_variant
from edge.perceive.face_detector import HaarDetector
from edge.perceive.face_perception import FacePerception
from edge.perceive.face_tracker import FaceTracker
from edge.perceive.speech_model import load_model
from edge.perceive.speech_perception import SpeechPerception
from edge.perceive.speech_to_text import SpeechToText
from edge.perceive.tokens import words_of
from edge.reading import MODALITIES, Modality
from edge.selftest.method import check_and_proxies, fuse
from edge.selftest.stored import answers_of
from edge.selftest.stored_file import Outcome, Sequence, StoredSelfTest, to_bytes, variant_name
from edge.settings.settings import NetChoice

CLIP = Path(edge.__file__).parent / "samples" / "clip.mp4"

_ROWS: Mapping[Modality, int] = {"face": 8, "speech": 6, "text": 8}
"""Inputs that are kept of each; a log-mel window takes 29 kB."""
_FUSION_ROWS = 8
_HOP_NS = 500_000_000
_HEAR_S = 60.0

_PLAN = (
    *("fst", "fst", "fst", "fst", "-st", "-st", "f-t", "f-t", "fs-", "fs-"),
    *("fst", "Fst", "fSt", "fsT", "f--", "-s-", "--t", "---", "F--", "fst"),
)
"""What is present at each step: face, speech, text; capitals are ruined, lines missing."""
_TRIES = 24
"""Moments that are tried for each step of the plan; the one furthest from every limit is taken."""
_RUIN_SPREADS = 4.0


@dataclass(frozen=True)
class _Moments:
    """What the encoders would be given at the steps of the clip; None where the modality is absent."""

    face: list[NDArray[np.float32] | None]
    speech: list[NDArray[np.float32] | None]
    words: list[str]


def self_test_file(bundle: Bundle) -> bytes:
    """The content of a bundle's ``selftest.safetensors``; the same bundle on the same machine makes the same bytes.

    Raises:
        M3erError: a net does not load, or the sample clip cannot be perceived.
    """
    moments = _perceive(CLIP)
    engines = {
        variant_name(v): open_variant(bundle, v, NetChoice(engine=v.engine, precision=v.precision))
        for v in bundle.manifest.nets
    }
    first = {m: engines[variant_name(bundle.net(m))] for m in (*MODALITIES, "fusion")}
    found = {m: _inputs(m, moments, bundle) for m in MODALITIES}
    sequence = _sequence(bundle, _features(bundle, first, found))
    effectual, whole = check_and_proxies(bundle, sequence)
    inputs: dict[NetName, dict[str, NDArray[Any]]] = {}
    for m in MODALITIES:
        (name,) = first[m].inputs
        inputs[m] = {name: found[m][_spread(len(found[m]), _ROWS[m])]}
    inputs["fusion"] = _fusion_inputs(bundle, first["fusion"], effectual, whole)
    return to_bytes(
        StoredSelfTest(
            inputs,
            {variant_name(v): answers_of(engines[variant_name(v)], inputs[v.net]) for v in bundle.manifest.nets},
            sequence,
            Outcome(
                effectual,
                whole,
                {
                    variant_name(v): fuse(bundle, engines[variant_name(v)], effectual, whole)
                    for v in bundle.variants("fusion")
                },
            ),
        )
    )


@functools.cache
def _perceive(clip: Path) -> _Moments:
    """Haar and the shipped speech model: what everybody has."""
    face, speech = FacePerception(FaceTracker(HaarDetector())), SpeechPerception()
    recogniser = SpeechToText(load_model(find_speech_model(VOSK_TINY_EN.name), trusted=True))
    moments = _Moments([], [], [])
    next_ns, heard_ns = _HOP_NS, -1
    with closing(recogniser), MediaFile(clip) as source:
        for sample in source.samples():
            while sample.captured_ns > next_ns:
                if heard_ns >= 0 and not recogniser.wait_until_heard(heard_ns, _HEAR_S):
                    raise M3erError(f"{clip}: speech recognition is stuck; stop other programs, and try again")
                for percept, kept in ((face.percept(next_ns), moments.face), (speech.percept(next_ns), moments.speech)):
                    kept.append(_rounded(percept.inputs[0]) if percept.inputs else None)
                moments.words.append(" ".join(word.text for word in recogniser.words(next_ns - 4 * _HOP_NS)))
                next_ns += _HOP_NS
            if isinstance(sample, Frame):
                face.push(sample)
            if isinstance(sample, AudioBlock):
                speech.push(sample)
                recogniser.feed(sample)
                heard_ns = sample.captured_ns
    return moments


def _rounded(array: NDArray[Any]) -> NDArray[np.float32]:
    """As the file keeps it."""
    return array.astype(np.float16).astype(np.float32)


def _inputs(modality: Modality, moments: _Moments, bundle: Bundle) -> NDArray[Any]:
    """All different inputs that the clip gives an encoder, (n, …)."""
    if modality == "text":
        said = [words for words in dict.fromkeys(moments.words) if words]
        rows: list[NDArray[Any]] = [bundle.vocabulary.encode(words_of(words)) for words in said]
    else:
        rows = [row for row in (moments.face if modality == "face" else moments.speech) if row is not None]
    if len(rows) < 2:
        raise M3erError(f"{CLIP}: gives {len(rows)} inputs of the {modality} net; install the program anew")
    return np.concatenate(rows)


def _spread(rows: int, wanted: int) -> NDArray[np.intp]:
    """At most so many row numbers, evenly over all."""
    numbers: NDArray[np.intp] = np.linspace(0, rows - 1, min(rows, wanted)).round().astype(np.intp)
    return numbers


def _features(
    bundle: Bundle, first: Mapping[str, Engine], found: Mapping[Modality, NDArray[Any]]
) -> dict[Modality, NDArray[np.float32]]:
    """Standardised features (n, dim) of everything that was found."""
    return {
        m: bundle.tables.standardise(m, answers_of(first[m], {first[m].inputs[0]: found[m]})["feature"])
        for m in MODALITIES
    }


def _sequence(bundle: Bundle, features: Mapping[Modality, NDArray[np.float32]]) -> Sequence:
    """The plan, filled with the clip's features so that no step stands close to a limit of the check.

    Close to a limit, another machine's last bit may turn the verdict, and nothing would be wrong.
    """
    rng = np.random.default_rng(0)
    manifest = bundle.manifest
    check = ModalityCheck(bundle.tables, manifest.check_window_steps, manifest.minimum_quality)
    stored = {m: np.zeros((len(_PLAN), manifest.dim), np.float32) for m in MODALITIES}
    quality = np.zeros((len(_PLAN), len(MODALITIES)), np.float32)
    for step, plan in enumerate(_PLAN):
        best: tuple[float, ModalityCheck, dict[Modality, NDArray[np.float32]]] | None = None
        for _ in range(_TRIES):
            chosen = {}
            for m, letter in zip(MODALITIES, plan, strict=True):
                if letter != "-":
                    chosen[m] = features[m][rng.integers(len(features[m]))]
                    if letter.isupper():
                        chosen[m] = (chosen[m] + rng.normal(0, _RUIN_SPREADS, manifest.dim)).astype(np.float32)
            trial = copy.deepcopy(check)
            room = _room(bundle, trial.step(chosen, dict.fromkeys(chosen, 1.0)))
            if best is None or room > best[0]:
                best = room, trial, chosen
        assert best is not None
        check = best[1]
        for number, m in enumerate(MODALITIES):
            if m in best[2]:
                stored[m][step], quality[step, number] = best[2][m], 1.0
    return Sequence(stored, quality > 0, quality)


def _room(bundle: Bundle, verdict: Verdict) -> float:
    """How far a verdict is from turning over: the least distance from a limit."""
    threshold = bundle.tables.threshold
    return min(
        [
            *(abs(d - 1.0) for d in verdict.density.values()),
            *(abs(d) for d in verdict.damage.values()),
            *(abs(rho - threshold[pair]) for pair, rho in verdict.correlation.items()),
        ],
        default=np.inf,
    )


def _fusion_inputs(
    bundle: Bundle, engine: Engine, effectual: NDArray[np.bool_], whole: NDArray[np.float32]
) -> dict[str, NDArray[np.float32]]:
    """Features and states as they come in the sequence."""
    state = {name: np.zeros((1, size), np.float32) for name, size in bundle.manifest.state.items()}
    rows = []
    for live, features in zip(effectual, whole, strict=True):
        if live.any():
            row: dict[str, NDArray[np.float32]] = {
                m: _rounded(f[None]) for m, f in zip(MODALITIES, features, strict=True)
            }
            row |= {name: _rounded(state[name]) for name in STATE}
            rows.append(row)
            answer = engine.run(row)
            state = {name: answer[f"next_{name}"] for name in STATE}
    kept = [rows[n] for n in _spread(len(rows), _FUSION_ROWS)]
    return {name: np.concatenate([row[name] for row in kept]) for name in rows[0]}
