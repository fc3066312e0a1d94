"""A user's own corpus of features, such as CMU-MOSEI's, from its files to a report."""

from pathlib import Path

import numpy as np

from edge.bundle import open_bundle
from export.cli import main
from export.evaluate.evaluation import read_evaluation
from tests.made_readers import write_csd

PEOPLE, SENTENCES = 12, 8
_SIZES = {
    "visual/CMU_MOSEI_VisualFacet42.csd": ("FACET 4.2", 6),
    "acoustic/CMU_MOSEI_COVAREP.csd": ("COVAREP", 5),
    "language/CMU_MOSEI_TimestampedWordVectors.csd": ("glove_vectors", 7),
}


def test_mosei_in_the_owners_files_gets_the_papers_tables(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    emotion = rng.integers(0, 3, (PEOPLE, SENTENCES))
    intervals = np.array([[k, k + 1.0] for k in range(SENTENCES)])
    intensity = np.zeros((PEOPLE, SENTENCES, 7))
    np.put_along_axis(intensity, 1 + emotion[..., None], 2.0, axis=2)
    folder = tmp_path / "mosei"
    videos = [f"video{n}" for n in range(PEOPLE)]
    labels = {video: (intensity[n], intervals) for n, video in enumerate(videos)}
    write_csd(folder / "labels" / "CMU_MOSEI_Labels.csd", "All Labels", labels)
    for name, (root, size) in _SIZES.items():
        centres = rng.normal(0.0, 1.0, (3, size))
        shown = {v: centres[emotion[n]] + rng.normal(0.0, 0.8, (SENTENCES, size)) for n, v in enumerate(videos)}
        write_csd(folder / name, root, {v: (f.astype(np.float32), intervals) for v, f in shown.items()})

    bundle = Path(__file__).parent.parent / "edge" / "bundles" / "default"
    out = tmp_path / "out"
    assert main(["evaluate", "--bundle", str(bundle), "--data", str(folder), "--out", str(out)]) == 0
    evaluation = read_evaluation(out / "evaluation.json")
    assert evaluation.bundle == open_bundle(bundle).id
    assert {table.section for table in evaluation.tables} >= {"fusion", "check", "proxies", "missing", "damage"}
    fused = next(table for table in evaluation.tables if table.section == "fusion")
    accuracy = {row[0]: row[1] for row in fused.rows}
    assert float(accuracy["multiplicative, M3ER"] or 0.0) > 0.6, "three kinds, a blind guess has a third"
    assert (out / "report.html").exists()
