"""A made evaluation with everything in it, with figures such as a real one has; the same on every call."""

import numpy as np
from hypothesis import strategies as st

from export.evaluate.evaluation import (
    SECTIONS,
    Cell,
    ChosenPoint,
    Confusion,
    Coverage,
    Evaluation,
    Figure,
    LearningCurve,
    Mistake,
    ProxyPicture,
    ProxyRow,
    Reliability,
    ReliabilityBin,
    Roc,
    RocCurve,
    Table,
)

EMOTIONS = ["anger", "disgust", "fear", "happy", "neutral", "sad", "surprise"]
HOSTILE = "<script>alert('1')</script> & \"so\" $x_1$"
_FINITE = st.floats(-1e6, 1e6)
_WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


def made_evaluation() -> Evaluation:
    """12 figures, 8 tables, 12 ROC curves and ten mistakes, one of whose transcripts is hostile."""
    rng = np.random.default_rng(5)
    return Evaluation(
        bundle="default@sha256:0322e4760fd81bca6c7d0f1a1f9e2f3a0a4a7a3a1d2e3f4051627384950a1b2c",
        commit="75eb1253c2d1e0f9a8b7c6d5e4f3a2b1c0d9e8f7",
        command="m3er-export evaluate --bundle edge/bundles/default --data DATA --out out --seed 7",
        machine="AMD EPYC 9654, 2 cores, 8 GB; Python 3.11, onnxruntime 1.22",
        seed=7,
        made="2026-11-22",
        data="FER+, CREMA-D, RAVDESS, MELD, DailyDialog, GoEmotions, CMU-MOSI (features), vote-matched moments",
        figures=_figures(),
        tables=_tables(rng),
        confusions=[
            _confusion(rng, "Face", "FER+ PrivateTest"),
            _confusion(rng, "Speech", "CREMA-D, 12 speakers"),
            _confusion(rng, "Text", "MELD test"),
            _confusion(rng, "Whole step", "vote-matched moments"),
        ],
        rocs=[
            _roc(rng, "Ruined against good, by density", ["black camera", "hand over the face", "face turned away"]),
            _roc(
                rng,
                "Each damage for itself, by correlation",
                [
                    f"{part}, {damage}"
                    for part in ("face", "speech", "text")
                    for damage in ("mild", "middling", "strong")
                ],
            ),
        ],
        reliabilities=[_reliability(rng, "Whole step, test moments"), _reliability(rng, "Face alone")],
        coverages=[_coverage()],
        learning=[_learning(rng, "face"), _learning(rng, "fusion")],
        proxies=[_proxy(rng)],
        mistakes=_mistakes(rng),
    )


def _figures() -> list[Figure]:
    def one(part: str, data: str, split: str, name: str, value: float, reach: float | None, samples: int) -> Figure:
        return Figure(
            part=part,
            data=data,
            split=split,
            name=name,
            value=value,
            low=round(max(0.0, value - 0.021), 4),
            high=round(value + 0.019, 4),
            samples=samples,
            reach=reach,
            better="lower" if "error" in name else "higher",
            peer="Barsoum et al. 2016, VGG13: 0.849" if part == "face" else "",
            note="two net seeds differ by 0.006" if part == "speech" else "",
        )

    return [
        one("face", "FER+", "PrivateTest", "accuracy", 0.8336, 0.83, 3573),
        one("face", "FER+", "PrivateTest", "mean recall", 0.6361, 0.66, 3573),
        one("speech", "CREMA-D", "intended, 12 speakers", "accuracy", 0.6203, 0.6, 972),
        one("speech", "CREMA-D", "listeners' majority", "accuracy", 0.5983, 0.6, 972),
        one("speech", "RAVDESS", "intended, 3 speakers", "mean recall", 0.5561, 0.55, 180),
        one("text", "MELD", "test", "weighted F1", 0.54999, 0.55, 2610),
        one("text", "DailyDialog", "test", "accuracy", 0.7991, None, 7740),
        one("text", "GoEmotions", "test", "accuracy", 0.6034, 0.6, 5427),
        one("whole step", "vote-matched moments", "test, 12 speakers", "accuracy", 0.6981, 0.68, 1031),
        one("whole step", "vote-matched moments", "test, no face", "accuracy", 0.6092, 0.6, 1031),
        one("whole step", "vote-matched moments", "test", "calibration error", 0.0284, 0.03, 1031),
        Figure(
            part="cost", data="sample clip", split="2 cores", name="step (ms)", value=2.1, samples=71, reach=5.0,
            better="lower",
        ),
    ]  # fmt: skip


def _tables(rng: np.random.Generator) -> list[Table]:
    titles = ["Ways to fuse", *(f"What {section} costs" for section in SECTIONS)]
    tables = []
    for number, (title, section) in enumerate(zip(titles, ("fusion", *SECTIONS), strict=True)):
        rows: list[list[Cell]] = [
            [name, *(float(value) for value in rng.uniform(0.4, 0.9, 4)), int(rng.integers(100, 2000))]
            for name in ("early fusion", "late fusion", "additive", "multiplicative, as shipped")
        ]
        rows[1][2] = None
        tables.append(
            Table(
                key=f"table{number}",
                section=section,
                title=title,
                text="Each row is trained five times on the same speakers and scored on twelve others; means "
                "are shown. Multiplicative fusion is ahead where a modality is weak.",
                columns=["method", "accuracy", "mean recall", "weighted F1", "no face", "samples"],
                rows=rows,
            )
        )
    return tables


def _confusion(rng: np.random.Generator, title: str, split: str) -> Confusion:
    share = 0.55 * np.eye(7) + rng.dirichlet(np.full(7, 1.2), 7) * 0.45
    sizes = rng.integers(20, 900, 7)
    counts = [rng.multinomial(size, row / row.sum()).tolist() for size, row in zip(sizes, share, strict=True)]
    return Confusion(title=title, split=split, labels=EMOTIONS, counts=counts)


def _roc(rng: np.random.Generator, title: str, names: list[str]) -> Roc:
    false = np.linspace(0, 1, 60)
    curves = []
    for name in names:
        power = float(rng.uniform(0.04, 0.6))
        true = false**power
        area = round(1 / (1 + power), 4)
        curves.append(RocCurve(name=name, false_positive=false.tolist(), true_positive=true.tolist(), area=area))
    return Roc(title=title, text="Good: clean test moments. Ruined: the same moments after one damage.", curves=curves)


def _reliability(rng: np.random.Generator, title: str) -> Reliability:
    bins = [
        ReliabilityBin(
            confidence=float(middle),
            accuracy=float(np.clip(middle + rng.normal(0, 0.04), 0, 1)),
            samples=int(rng.integers(10, 300)),
        )
        for middle in np.linspace(0.25, 0.95, 8)
    ]
    return Reliability(title=title, bins=bins, error_before=0.0812, error_after=0.0284)


def _coverage() -> Coverage:
    coverage = np.linspace(0.05, 1, 60)
    accuracy = 0.7 + 0.28 * (1 - coverage) ** 1.4
    return Coverage(
        title="Whole step: answers given, answers right",
        coverage=coverage.tolist(),
        accuracy=accuracy.tolist(),
        chosen=ChosenPoint(coverage=0.9, accuracy=0.7112, threshold=0.4137),
    )


def _learning(rng: np.random.Generator, net: str) -> LearningCurve:
    epochs = np.arange(1, 31)

    def noisy(values: np.ndarray[tuple[int], np.dtype[np.float64]]) -> list[float]:
        return [float(value) for value in values + rng.normal(0, 0.012, 30)]

    fall = np.exp(-epochs / 9.0)
    return LearningCurve(
        net=net,
        epochs=epochs.tolist(),
        series={
            "training loss": noisy(0.4 + 1.5 * fall),
            "validation loss": noisy(0.7 + 1.2 * fall + 0.006 * epochs),
            "validation accuracy": noisy(0.83 - 0.5 * fall),
            "validation mean recall": noisy(0.64 - 0.45 * fall),
        },
    )


def _proxy(rng: np.random.Generator) -> ProxyPicture:
    rows = []
    for emotion in ("anger", "happy", "neutral", "sad", "surprise"):
        true = rng.normal(0, 1, 64)
        noisy = rng.normal(0, 1.6, 64)
        regenerated = 0.8 * true + rng.normal(0, 0.35, 64)
        rows.append(ProxyRow(name=emotion, true=true.tolist(), noisy=noisy.tolist(), regenerated=regenerated.tolist()))
    text = "Speech features of five test moments; noise drowns the voice, the proxy is made of face and text."
    return ProxyPicture(title="Regenerated speech features", text=text, modality="speech", rows=rows)


def _mistakes(rng: np.random.Generator) -> list[Mistake]:
    mistakes = []
    for number in range(10):
        shares = rng.dirichlet(np.r_[np.full(6, 0.15), 9.0])[::-1]
        guess, truth = EMOTIONS[number % 7], EMOTIONS[(number + 3) % 7]
        others = [label for label in EMOTIONS if label != guess]
        mistakes.append(
            Mistake(
                part=("whole step", "face", "speech", "text")[number % 4],
                name=f"1076_IEO_SAD_HI-{number}",
                truth=truth,
                guess=guess,
                confidence=round(float(shares[0]), 4),
                probabilities={label: round(float(s), 4) for label, s in zip([guess, *others], shares, strict=True)},
                note=HOSTILE if number == 3 else "i never said that you should go there" if number % 2 else "",
            )
        )
    return sorted(mistakes, key=lambda one: -one.confidence)


@st.composite
def figures(draw: st.DrawFn) -> Figure:
    """Any figure that the model allows."""
    low, high = sorted([draw(_FINITE), draw(_FINITE)])
    interval = {"low": low, "high": high} if draw(st.booleans()) else {}
    fields = {name: draw(_WORDS) for name in ("part", "data", "split", "name", "peer", "note")}
    return Figure.model_validate(
        {
            **fields,
            **interval,
            "value": draw(_FINITE),
            "samples": draw(st.integers(0, 10**9)),
            "reach": draw(st.none() | _FINITE),
            "better": draw(st.sampled_from(["higher", "lower"])),
        }
    )
