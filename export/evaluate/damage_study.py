"""How well the check tells a ruined modality, damage by damage: ROC areas of each kind of evidence and of the whole."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score, roc_curve

from edge.m3er.tables import Tables
from edge.reading import MODALITIES, PAIRS, Modality, pair_name
from export.evaluate.damage_moments import KINDS, STEPS, DamageMoments
from export.evaluate.evaluation import Figure, Roc, RocCurve, Table
from export.fit.canonical import window_correlation
from export.fit.fit_tables import LOST_TO_DAMAGE, LOST_TO_DENSITY
from export.fit.pair_check import densities

Array = NDArray[np.float32]
Scores = NDArray[np.float64]

SEVERE = 2
_REACH = 0.95
_CURVE_POINTS = 60
_NEVER_TRAINED = ("hand", "wrong transcript")


@dataclass(frozen=True)
class Scale:
    """Puts all kinds of evidence on one scale, on which 0 is the median of clean validation features and 1 the value
    above which lies the share of them that this kind may cost."""

    usual: float
    limit: float

    @staticmethod
    def of(clean: Scores, lost: float) -> "Scale":
        return Scale(float(np.median(clean)), float(np.quantile(clean, 1.0 - lost)))

    def __call__(self, values: Scores) -> Scores:
        return (values - self.usual) / max(self.limit - self.usual, 1e-9)


class Evidence:
    """The check's evidence against one modality of moments (n, STEPS, dim), larger where it is stronger, (n,)."""

    def __init__(self, tables: Tables, validation: Mapping[Modality, Array]) -> None:
        self._tables = tables
        self._density = {m: Scale.of(self.density(m, validation[m]), LOST_TO_DENSITY) for m in MODALITIES}
        self._damage = {m: Scale.of(self.damage(m, validation[m]), LOST_TO_DAMAGE) for m in MODALITIES}
        self._rho = {}
        for i, j in PAIRS:
            usual = float(np.median(self.rho(i, j, validation[i], validation[j], STEPS)))
            self._rho[pair_name(i, j)] = Scale(-usual, -tables.threshold[pair_name(i, j)])

    def density(self, m: Modality, features: Array) -> Scores:
        """Mean square of the whitened features over its limit, (n, steps)."""
        return densities(self._tables.whiten[m], features, self._tables.density_limit[m])

    def damage(self, m: Modality, features: Array) -> Scores:
        """What the linear detector says, (n, steps)."""
        return np.asarray(features @ self._tables.damage[m][:-1] + self._tables.damage[m][-1], np.float64)

    def rho(self, i: Modality, j: Modality, f_i: Array, f_j: Array, window_steps: int) -> Scores:
        """The pair's correlation over the last steps, (n,)."""
        h_ij, h_ji = self._tables.projection[i, j], self._tables.projection[j, i]
        return window_correlation(h_ij, h_ji, f_i, f_j, window_steps)

    def uncorrelated(self, m: Modality, features: Mapping[Modality, Array], window_steps: int) -> Scores:
        """How far the better of the modality's two correlations is below usual: one that agrees suffices."""
        each = []
        for i, j in PAIRS:
            if m in (i, j):
                each.append(self._rho[pair_name(i, j)](-self.rho(i, j, features[i], features[j], window_steps)))
        return np.asarray(np.min(each, axis=0))

    def dropped(self, m: Modality, features: Mapping[Modality, Array]) -> NDArray[np.bool_]:
        """Whether the check drops the modality at the last step with the limits that ship, (n,)."""
        alone = self.density(m, features[m])[:, -1] > 1.0
        damaged = self.damage(m, features[m])[:, -1] > 0.0
        return np.asarray(alone | damaged | (self.uncorrelated(m, features, STEPS) > 1.0))

    def against(self, m: Modality, features: Mapping[Modality, Array]) -> dict[str, Scores]:
        """All kinds of evidence, each (n,), at the last step unless it says otherwise."""
        density = self._density[m](self.density(m, features[m]))
        damage = self._damage[m](self.damage(m, features[m]))
        correlation = self.uncorrelated(m, features, STEPS)
        return {
            "correlation, one step": self.uncorrelated(m, {n: f[:, -1:] for n, f in features.items()}, 1),
            f"correlation, {STEPS} steps": correlation,
            "density": density[:, -1],
            "damage": damage[:, -1],
            "check": np.max([density[:, -1], damage[:, -1], correlation], axis=0),
            f"check, mean of {STEPS} steps": np.max([density.mean(axis=1), damage.mean(axis=1), correlation], axis=0),
        }


@dataclass(frozen=True)
class DamageStudy:
    """What the study found."""

    figures: list[Figure]
    tables: list[Table]
    rocs: list[Roc]


def damage_study(tables: Tables, validation: DamageMoments, test: DamageMoments) -> DamageStudy:
    """Every kind at every severity, on test moments; the scales come from validation."""
    evidence = Evidence(tables, validation.clean())
    clean = test.clean()
    sensor_clean = test.sensor_fired()
    n = len(clean["face"])
    truth = np.repeat([0, 1], n)
    names = [*evidence.against("face", clean), "full check"]
    rows: list[list[str | float | int | None]] = []
    severe: dict[str, list[float]] = {name: [] for name in names}
    curves: dict[Modality, list[RocCurve]] = {m: [] for m in MODALITIES}
    caught: list[list[str | float | int | None]] = []
    for m in MODALITIES:
        good, dropped_clean = evidence.against(m, clean), evidence.dropped(m, clean)
        for kind in KINDS[m]:
            for severity in range(3):
                features = {**clean, m: test.damaged(m, kind, severity)}
                bad = evidence.against(m, features)
                found = {name: np.concatenate([good[name], bad[name]]) for name in bad}
                fired = np.zeros(2 * n)
                if m == "speech":  # the sensor's own evidence, as the device adds it
                    fired = np.concatenate([sensor_clean, test.sensor_fired(test.damaged_sounds(kind, severity))])
                found["full check"] = found["check"] + fired  # a sensor's verdict counts as evidence at its limit
                areas = {name: float(roc_auc_score(truth, found[name])) for name in names}
                rows.append([m, kind, severity + 1, *areas.values()])
                if severity == SEVERE:
                    for name, area in areas.items():
                        severe[name].append(area)
                    curves[m].append(_curve(kind, truth, found["full check"], areas["full check"]))
                    dropped = np.concatenate([dropped_clean, evidence.dropped(m, features)]) | (fired > 0)
                    caught.append([m, kind, float(dropped[n:].mean()), float(dropped[:n].mean())])
    means = {name: float(np.mean(areas)) for name, areas in severe.items()}
    rows.append(["mean", "severe", SEVERE + 1, *means.values()])
    note = (
        "Encoders learnt damage from other functions than these (face_damage.ruined, speech_ruin, wrong words); "
        f"never trained on in any form: {', '.join(_NEVER_TRAINED)}."
    )
    table = Table(
        key="damage",
        section="damage",
        title="Real-world damage: ROC area of 'ineffectual'",
        text=f"One modality of {n} test moments is damaged, the other two are not. {note} Check: the largest of "
        "density, damage and missing correlation, each measured from what is usual to what costs the share of "
        "clean moments which that kind of evidence may cost; full check: with the sensors' own evidence, which counts "
        "as any other at its limit (sound only: faces are cut out already).",
        columns=["modality", "damage", "severity", *names],
        rows=rows,
    )
    limits = Table(
        key="damage-at-limits",
        section="damage",
        title="Severe damage at the limits that ship",
        text="Share of damaged moments that the check drops, and of the same moments undamaged.",
        columns=["modality", "damage", "dropped", "dropped though clean"],
        rows=caught,
    )
    figures = [
        Figure(
            part="check",
            data="severe real-world damages, mean",
            split=f"test, {n} moments, {len(severe['full check'])} damages",
            name=f"ROC area, {name}",
            value=means[key],
            samples=n * len(severe[key]),
            reach=_REACH if key == "full check" else None,
        )
        for name, key in (("full check", "full check"), ("correlation alone", f"correlation, {STEPS} steps"))
    ]
    rocs = [
        Roc(title=f"Ruined {m} against good, full check", text="Severe damage.", curves=curves[m]) for m in MODALITIES
    ]
    return DamageStudy(figures, [table, limits, _mismatch(evidence, clean, n)], rocs)


def _mismatch(evidence: Evidence, clean: Mapping[Modality, Array], n: int) -> Table:
    """What density cannot see: each modality is whole, but not of this moment."""
    order = np.random.default_rng(0).permutation(n)
    frozen = {**clean, "face": np.repeat(clean["face"][order][:, -1:], STEPS, axis=1)}
    cases: dict[str, tuple[Modality, Mapping[Modality, Array]]] = {
        "frozen picture (of another moment)": ("face", frozen),
        "another person's voice": ("speech", {**clean, "speech": clean["speech"][order]}),
        "television (another's voice and words)": (
            "face",
            {**clean, "speech": clean["speech"][order], "text": clean["text"][order]},
        ),
    }
    truth = np.repeat([0, 1], n)
    rows: list[list[str | float | int | None]] = []
    for name, (m, features) in cases.items():
        good, bad = evidence.against(m, clean), evidence.against(m, features)
        rows.append([name, *(float(roc_auc_score(truth, np.concatenate([good[k], bad[k]]))) for k in good)])
    return Table(
        key="mismatch",
        section="open questions",
        title="What correlation sees and density cannot",
        text="ROC areas. A random other moment often has the same emotion, and then nothing is wrong that anybody "
        "could see: the vote-matched pairs share emotion and nothing else.",
        columns=["what", *evidence.against("face", clean)],
        rows=rows,
    )


def _curve(name: str, truth: NDArray[np.int64], scores: Scores, area: float) -> RocCurve:
    false_positive, true_positive, _ = roc_curve(truth, scores)
    at = np.linspace(0, 1, _CURVE_POINTS)
    return RocCurve(
        name=name,
        false_positive=at.tolist(),
        true_positive=np.interp(at, false_positive, true_positive).tolist(),
        area=area,
    )
