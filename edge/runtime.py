"""The way of a sample, top to bottom: perception, encoders, modality check, proxies, fusion step, reading.

The only place that knows every room. Times are nanoseconds of the source's monotonic clock (for a file: the
position in it), so that the same step serves a live camera and a recording.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timezone

import numpy as np
from numpy.typing import NDArray

from edge.bundle import MANIFEST, Bundle
from edge.capture.sample import Frame, Sample
from edge.errors import M3erError
from edge.m3er.check import ModalityCheck, Rule, Verdict
from edge.m3er.fusion import FusionStep
from edge.m3er.proxy import ProxyTable
from edge.nets import open_net
from edge.perceive import log_mel, tokens
from edge.perceive.face_crop import CROP_SIZE_PX
from edge.perceive.face_detector import FaceBox, FaceDetector
from edge.perceive.face_perception import NO_PICTURE, FacePerception
from edge.perceive.face_tracker import FaceTracker
from edge.perceive.percept import Percept, absent
from edge.perceive.recogniser import Recogniser
from edge.perceive.speech_perception import NO_SOUND, SpeechPerception
from edge.perceive.text_perception import TextPerception
from edge.reading import MODALITIES, UNKNOWN, Modality, ModalityReading, Pace, Reading
from edge.settings.settings import Settings

_FORGET_AFTER_NS = 3_000_000_000
"""With nothing effectual for so long, the fusion's memory is of another moment."""

Feature = NDArray[np.float32]


@dataclass
class StepCost:
    """What the steps took so far, of the thread that runs them."""

    steps: int = 0
    cpu_s: float = 0.0


class Runtime:
    """Feed samples as they arrive; call :meth:`step` every ``hop_s`` seconds."""

    def __init__(
        self,
        bundle: Bundle,
        detector: FaceDetector,
        recogniser: Recogniser | None,
        rule: Rule = "full",
        settings: Settings | None = None,
        began_ns: int = 0,
    ) -> None:
        """
        Args:
            bundle: an opened bundle.
            detector: finds faces.
            recogniser: hears words; None: there is no text.
            rule: the modality check's evidence.
            settings: how each net runs, and how often faces are searched for; None: as the bundle's maker found best.
            began_ns: when the run began, on the samples' clock.

        Raises:
            M3erError: the bundle was trained with other perception than this program has, or a net does not load.
        """
        _check_perception(bundle)
        manifest, settings = bundle.manifest, settings or Settings()
        self.hop_ns = round(manifest.hop_s * 1e9)
        self.cost = StepCost()
        self._bundle = bundle
        self._face = FacePerception(FaceTracker(detector, settings.faces.detect_every_s))
        self._speech = SpeechPerception()
        self._text = TextPerception(recogniser, bundle.vocabulary)
        self._encoders = {m: open_net(bundle, m, settings) for m in MODALITIES}
        self._check = ModalityCheck(bundle.tables, manifest.check_window_steps, manifest.minimum_quality, rule)
        self._proxies = ProxyTable(bundle.tables, manifest.neighbours, manifest.ridge)
        self._fusion = FusionStep(open_net(bundle, "fusion", settings), manifest.state, bundle.tables.temperature)
        self._effectual_ns: int | None = None
        self.began_ns = began_ns

    @property
    def face_box(self) -> FaceBox | None:
        """Where the face that is followed is in the last picture."""
        return self._face.box

    def take(self, sample: Sample) -> None:
        """Perceive one sample. Everything that can be computed once is computed here."""
        if isinstance(sample, Frame):
            self._face.push(sample)
        else:
            self._speech.push(sample)
            self._text.push(sample)

    def step(self, now_ns: int, lost: Mapping[Modality, str] | None = None, pace: Pace | None = None) -> Reading:
        """One step: what the person seems to feel at `now_ns`.

        Args:
            lost: why a device gives nothing now, e.g. ``{"face": "camera not found"}``.
            pace: of a live run, for the reading.
        """
        begin_ns, begin_cpu = time.perf_counter_ns(), time.thread_time()
        reading = self.react(self._perceive(now_ns, lost or {}), now_ns, begin_ns, pace)
        self.cost.steps += 1
        self.cost.cpu_s += time.thread_time() - begin_cpu
        return reading

    def react(self, percepts: dict[Modality, Percept], now_ns: int, begin_ns: int, pace: Pace | None = None) -> Reading:
        """A step after perception: encoders, check, proxies, fusion, reading.

        Args:
            percepts: what each modality perceives at `now_ns`.
            begin_ns: when the step began, on the clock of ``time.perf_counter_ns``.
            pace: of a live run, for the reading.
        """
        features = {m: self._encode(m, percept) for m, percept in percepts.items() if percept.inputs}
        encoded_ns = time.perf_counter_ns()
        verdict = self._check.step(features, {m: percepts[m].quality for m in features})
        good = {m: features[m] for m in MODALITIES if m in verdict.effectual}
        probabilities = self._fuse(good, now_ns)
        fused_ns = time.perf_counter_ns()
        behind = [p.captured_ns for p in percepts.values() if p.inputs and p.captured_ns is not None]
        newest_ns = max(behind, default=now_ns)
        latency_ms = {
            "capture_to_reading": max(0, now_ns - newest_ns + fused_ns - begin_ns) / 1e6,
            "encode": (encoded_ns - begin_ns) / 1e6,
            "check_proxy_fusion": (fused_ns - encoded_ns) / 1e6,
        }
        return self._reading(now_ns, percepts, verdict, probabilities, latency_ms, pace)

    def _perceive(self, now_ns: int, lost: Mapping[Modality, str]) -> dict[Modality, Percept]:
        face, speech, text = self._face.percept(now_ns), self._speech.percept(now_ns), self._text.percept(now_ns)
        if face.reason == NO_PICTURE and "face" in lost:
            face = replace(face, reason=lost["face"])
        if speech.reason == NO_SOUND and "speech" in lost:
            speech = replace(speech, reason=lost["speech"])
        if text.reason == "no words" and speech.reason is not None:
            text = absent(speech.reason, text.captured_ns)  # why there are no words
        return {"face": face, "speech": speech, "text": text}

    def _encode(self, modality: Modality, percept: Percept) -> Feature:
        """Mean feature (dim,) over the percept's inputs, on the tables' scale."""
        engine = self._encoders[modality]
        (name,) = engine.inputs
        outputs = [engine.run({name: array})["feature"][0] for array in percept.inputs]
        return self._bundle.tables.standardise(modality, np.mean(outputs, axis=0))

    def _fuse(self, good: dict[Modality, Feature], now_ns: int) -> NDArray[np.float32]:
        """Proxies for what is not good, one fusion step; uniform probabilities where nothing is good."""
        if not good:
            if self._effectual_ns is not None and now_ns - self._effectual_ns > _FORGET_AFTER_NS:
                self._fusion.reset()
                self._effectual_ns = None
            classes = len(self._bundle.manifest.labels)
            return np.full(classes, 1.0 / classes, np.float32)
        self._effectual_ns = now_ns
        whole = {m: good[m] if m in good else self._proxies.regenerate(m, good) for m in MODALITIES}
        return self._fusion.step(whole, len(good)).probabilities

    def _reading(
        self,
        now_ns: int,
        percepts: dict[Modality, Percept],
        verdict: Verdict,
        probabilities: NDArray[np.float32],
        latency_ms: dict[str, float],
        pace: Pace | None,
    ) -> Reading:
        manifest = self._bundle.manifest
        best = int(probabilities.argmax())
        confidence = min(1.0, float(probabilities[best]))
        known = bool(verdict.effectual) and confidence >= manifest.unknown_below
        return Reading(
            time=datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            sequence=self.cost.steps,
            t=(now_ns - self.began_ns) / 1e9,
            emotion=manifest.labels[best] if known else UNKNOWN,
            confidence=round(confidence, 4),
            probabilities={label: round(float(p), 4) for label, p in zip(manifest.labels, probabilities, strict=True)},
            modalities={m: _modality_reading(m, percepts[m], verdict, now_ns) for m in MODALITIES},
            evidence=verdict.evidence,
            correlation={pair: round(rho, 4) for pair, rho in verdict.correlation.items()},
            threshold={pair: round(self._bundle.tables.threshold[pair], 4) for pair in verdict.correlation},
            faces=self._face.faces,
            pace=pace,
            transcript=self._text.transcript,
            latency_ms={name: round(value, 3) for name, value in latency_ms.items()},
            bundle=self._bundle.id,
        )


def _modality_reading(modality: Modality, percept: Percept, verdict: Verdict, now_ns: int) -> ModalityReading:
    live = modality in verdict.effectual
    density, ruin = verdict.density.get(modality), verdict.damage.get(modality)
    return ModalityReading(
        state="live" if live else "proxy" if verdict.effectual else "absent",
        reason=None if live else percept.reason or verdict.reason.get(modality, "uncorrelated"),
        age_s=None if percept.captured_ns is None else round(max(0, now_ns - percept.captured_ns) / 1e9, 3),
        quality=round(percept.quality, 3) if percept.inputs else None,
        density=None if density is None else round(density, 3),
        damage=None if ruin is None else round(ruin, 3),
    )


def _check_perception(bundle: Bundle) -> None:
    """The encoders must be given what they were trained on."""
    manifest, where = bundle.manifest, bundle.folder / MANIFEST
    ours = {"log_mel": log_mel.SETTINGS, "face_side": CROP_SIZE_PX, "tokens": tokens.TOKENS}
    for name, value in ours.items():
        if getattr(manifest, name) != value:
            raise M3erError(f"{where}: {name} is {getattr(manifest, name)}, this program computes {value}; train anew")
