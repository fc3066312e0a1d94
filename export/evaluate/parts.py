"""Each encoder alone: its file as shipped, with the head it was trained with, on people that nothing was trained on."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge.bundle import Bundle
from edge.m3er.fusion import softmax
from edge.reading import MODALITIES, Modality
from export.convert.bundle_nets import encode_file, encoder_samples
from export.corpora.emotions import CALM, EMOTIONS
from export.corpora.everything import Corpora
from export.corpora.text_examples import tokens_of
from export.evaluate.bootstrap import Score, interval
from export.evaluate.confusions import confusion_of
from export.evaluate.evaluation import Confusion, Figure, Mistake
from export.heads import Heads

Array = NDArray[np.float32]

_REACH: Mapping[tuple[str, str, Score], tuple[float, str]] = {
    ("face", "FER+", "accuracy"): (0.88, "face-api .684, mini_XCEPTION .659, VGG13 (8.7 M) about .85 on eight classes"),
    ("face", "FER+", "mean recall"): (0.74, "face-api .627, mini_XCEPTION .610"),
    ("speech", "CREMA-D, intended", "mean recall"): (0.64, "people, voice alone: .409"),
    ("text", "MELD", "weighted F1"): (0.60, "RoBERTa (125 M) .62 to .65; TF-IDF with logistic regression .567"),
}


@dataclass(frozen=True)
class Answers:
    """An encoder's answers on one test set: float32 (n, classes) probabilities, and (n,) truth, people and names."""

    part: Modality
    data: str
    split: str
    probabilities: Array
    truth: NDArray[np.int64]
    people: list[str] | None
    names: list[str]
    notes: list[str]

    @property
    def guess(self) -> NDArray[np.int64]:
        """(n,) numbers into EMOTIONS."""
        found: NDArray[np.int64] = self.probabilities.argmax(axis=1)
        return found


def part_answers(bundle: Bundle, corpora: Corpora) -> list[Answers]:
    """What each encoder says to its test sets."""
    heads = Heads(bundle.folder)
    return [*_faces(bundle, corpora, heads), *_speech(bundle, corpora, heads), *_texts(bundle, corpora, heads)]


def part_figures(answers: list[Answers]) -> list[Figure]:
    """Accuracy, mean recall and weighted F1 of each, with intervals by person where people are named."""
    names: tuple[Score, ...] = ("accuracy", "mean recall", "weighted F1")
    figures = []
    for a in answers:
        for name in names:
            found = interval(a.truth, a.guess, len(EMOTIONS), name, a.people)
            reach, peer = _REACH.get((a.part, a.data, name), (None, ""))
            figures.append(
                Figure(
                    part=a.part,
                    data=a.data,
                    split=a.split,
                    name=name,
                    value=found.value,
                    low=found.low,
                    high=found.high,
                    samples=len(a.truth),
                    reach=reach,
                    peer=peer,
                )
            )
    return figures


def part_confusions(answers: list[Answers]) -> list[Confusion]:
    """Who is taken for whom; only emotions that occur in the truth or in an answer."""
    return [confusion_of(f"{a.part}: {a.data}", a.split, EMOTIONS, a.truth, a.guess) for a in answers]


def worst_mistakes(answers: list[Answers], most: int) -> list[Mistake]:
    """The answers given with the most confidence that are wrong, the same number of each part."""
    found = []
    for part in MODALITIES:
        own = [
            (float(p.max()), a, n)
            for a in answers
            if a.part == part
            for n, p in enumerate(a.probabilities)
            if a.guess[n] != a.truth[n]
        ]
        own.sort(key=lambda item: -item[0])
        found += [
            Mistake(
                part=f"{a.part}, {a.data}",
                name=a.names[n],
                truth=EMOTIONS[a.truth[n]],
                guess=EMOTIONS[a.guess[n]],
                confidence=confidence,
                probabilities={e: float(p) for e, p in zip(EMOTIONS, a.probabilities[n], strict=True)},
                note=a.notes[n],
            )
            for confidence, a, n in own[: -(-most // len(MODALITIES))]
        ]
    return sorted(found, key=lambda mistake: -mistake.confidence)[:most]


def _features(bundle: Bundle, corpora: Corpora, modality: Modality) -> Array:
    samples = encoder_samples(modality, corpora, bundle.vocabulary, "test", None)
    encode = encode_file(bundle.path(bundle.net(modality)))
    return encode(np.concatenate([array for sample in samples for array in sample.values()]))


def _faces(bundle: Bundle, corpora: Corpora, heads: Heads) -> Iterator[Answers]:
    faces = corpora.faces["test"]
    p = softmax(heads.logits("face", "votes", _features(bundle, corpora, "face")))
    names = [f"test image {n}" for n in range(len(p))]
    votes = [", ".join(f"{e} {v:.0%}" for e, v in zip(EMOTIONS, row, strict=True) if v > 0.05) for row in faces.votes]
    split = f"PrivateTest without near-duplicates of Training, {len(p):,} images"
    yield Answers("face", "FER+", split, p, faces.labels, None, names, [f"votes: {v}" for v in votes])


def _speech(bundle: Bundle, corpora: Corpora, heads: Heads) -> Iterator[Answers]:
    recordings = corpora.recordings["test"]
    if not recordings:
        return
    features = _features(bundle, corpora, "speech")
    intended, heard = (heads.logits("speech", head, features) for head in ("intended", "heard"))
    truth = np.array([EMOTIONS.index(r.intended) for r in recordings])
    voted = np.stack([r.voice_votes for r in recordings]).argmax(axis=1)
    for dataset, data in (("crema", "CREMA-D"), ("ravdess", "RAVDESS")):
        here = np.array([r.dataset == dataset for r in recordings])
        if not here.any():
            continue
        people = [r.speaker for r in recordings if r.dataset == dataset]
        names = [r.clip for r in recordings if r.dataset == dataset]
        split = f"test, {len(set(people))} speakers, {here.sum():,} clips"
        asked = softmax(intended[here])
        seven = asked[:, : len(EMOTIONS)].copy()
        seven[:, EMOTIONS.index("neutral")] += asked[:, -1]  # calm
        if dataset == "crema":
            seven[:, EMOTIONS.index("surprise")] = 0.0  # six emotions were asked for there
            seven /= seven.sum(axis=1, keepdims=True)
        title = f"{data}, intended" if dataset == "crema" else f"{data}, seven ({CALM} as neutral)"
        yield Answers("speech", title, split, seven, truth[here], people, names, [""] * len(names))
        if dataset == "crema":
            p = softmax(heard[here])
            yield Answers("speech", f"{data}, listeners' majority", split, p, voted[here], people, names, names)


def _texts(bundle: Bundle, corpora: Corpora, heads: Heads) -> Iterator[Answers]:
    encode = encode_file(bundle.path(bundle.net("text")))
    for dataset in ("MELD", "DailyDialog", "GoEmotions"):
        said = [u for u in corpora.utterances["test"] if u.dataset == dataset]
        if not said:
            continue
        truth = np.array([EMOTIONS.index(u.emotion) for u in said])
        texts = [" ".join(u.marked) for u in said]
        for marks in (True, False) if dataset == "MELD" else (True,):
            tokens = tokens_of(said, bundle.vocabulary, marks)
            p = softmax(heads.logits("text", dataset, encode(tokens)))
            title = dataset if marks else f"{dataset}, without marks"
            split = f"test, {len(said):,} texts that stand in no other split"
            yield Answers("text", title, split, p, truth, None, texts, [""] * len(said))
