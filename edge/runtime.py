"""The way of a sample, top to bottom: perception, encoders, modality check, proxies, fusion step, reading.

The only place that knows every room. Times are nanoseconds of the source's monotonic clock (for a file: the
position in it), so that the same step serves a live camera and a recording.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timezone

import numpy as np
from numpy.typing import NDArray

from edge.bundle import Bundle
from edge.capture.sample import Frame, Sample
from edge.m3er.check import Rule, Verdict
from edge.method import Method
from edge.perceive.face_detector import FaceBox, FaceDetector
from edge.perceive.face_perception import NO_PICTURE, FacePerception
from edge.perceive.face_tracker import FaceTracker
from edge.perceive.percept import Percept, absent
from edge.perceive.recogniser import Recogniser
from edge.perceive.speech_perception import NO_SOUND, SpeechPerception
from edge.perceive.text_perception import TextPerception
from edge.reading import MODALITIES, UNKNOWN, Modality, ModalityReading, Pace, Reading
from edge.settings.settings import Settings

Instead = Callable[[Exception], Method]
"""What to make a step with where the method in use has failed; raises what it is given if there is nothing else."""


@dataclass
class StepCost:
    """What the steps took so far, of the thread that runs them."""

    steps: int = 0
    cpu_s: float = 0.0


class Runtime:
    """Feed samples as they arrive; call :meth:`step` every ``hop_s`` seconds."""

    def __init__(
        self,
        bundle: Bundle | Method,
        detector: FaceDetector,
        recogniser: Recogniser | None,
        rule: Rule = "full",
        settings: Settings | None = None,
        began_ns: int = 0,
    ) -> None:
        """
        Args:
            bundle: an opened bundle; or a method that is ready, and then neither `rule` nor `board` counts.
            detector: finds faces.
            recogniser: hears words; None: there is no text.
            rule: the modality check's evidence.
            settings: how each net runs, and how often faces are searched for; None: as the bundle's maker found best.
            began_ns: when the run began, on the samples' clock.

        Raises:
            M3erError: the bundle was trained with other perception than this program has, or a net does not load.
        """
        settings = settings or Settings()
        self.method = bundle if isinstance(bundle, Method) else Method(bundle, rule, settings)
        self.hop_ns = round(self.method.bundle.manifest.hop_s * 1e9)
        self.cost = StepCost()
        self._face = FacePerception(FaceTracker(detector, settings.faces.detect_every_s))
        self._speech = SpeechPerception()
        self._text = TextPerception(recogniser, self.method.bundle.vocabulary)
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

    def take_over(self, method: Method) -> None:
        """Another bundle from the next step on, of the same hop: what was seen and heard so far is kept."""
        self.method = method
        self._text.vocabulary = method.bundle.vocabulary

    def step(
        self,
        now_ns: int,
        lost: Mapping[Modality, str] | None = None,
        pace: Pace | None = None,
        instead: Instead | None = None,
    ) -> Reading:
        """One step: what the person seems to feel at `now_ns`.

        Args:
            lost: why a device gives nothing now, e.g. ``{"face": "camera not found"}``.
            pace: of a live run, for the reading.
            instead: asked for another method where the one in use fails; the step is then made with that.
        """
        begin_ns, begin_cpu = time.perf_counter_ns(), time.thread_time()
        percepts = self._perceive(now_ns, lost or {})
        try:
            reading = self.react(percepts, now_ns, begin_ns, pace)
        except Exception as error:
            if instead is None:
                raise
            self.take_over(instead(error))
            if percepts["text"].inputs:  # its numbers were of the other vocabulary
                percepts["text"] = self._text.percept(now_ns)
            reading = self.react(percepts, now_ns, begin_ns, pace)
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
        method = self.method
        features = {m: method.encode(m, percept) for m, percept in percepts.items() if percept.inputs}
        encoded_ns = time.perf_counter_ns()
        verdict = method.check(features, percepts)
        good = {m: features[m] for m in MODALITIES if m in verdict.effectual}
        probabilities = method.fuse(good, now_ns)
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

    def _reading(
        self,
        now_ns: int,
        percepts: dict[Modality, Percept],
        verdict: Verdict,
        probabilities: NDArray[np.float32],
        latency_ms: dict[str, float],
        pace: Pace | None,
    ) -> Reading:
        bundle = self.method.bundle
        manifest = bundle.manifest
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
            threshold={pair: round(bundle.tables.threshold[pair], 4) for pair in verdict.correlation},
            faces=self._face.faces,
            pace=pace,
            transcript=self._text.transcript,
            latency_ms={name: round(value, 3) for name, value in latency_ms.items()},
            bundle=bundle.id,
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
