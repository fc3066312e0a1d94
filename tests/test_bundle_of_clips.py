"""A user's own clips, from a folder with a CSV to a bundle that a device opens, and its evaluation."""

import csv
from pathlib import Path

import pytest

from edge.bundle import open_bundle
from export.cli import main
from export.evaluate.evaluation import read_evaluation

SAMPLES = Path(__file__).parent.parent / "edge" / "samples"
_GOOD_S = ((0.3, 8.2), (31.7, 37.4))
"""Parts of the sample clip in which face, voice and words are all there."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample clip as many short clips of nine people: enough to see every command through, not to learn from."""
    folder = tmp_path_factory.mktemp("clips")
    (folder / "clip.mp4").symlink_to(SAMPLES / "clip.mp4")
    rows: list[dict[str, object]] = []
    for begin_s, end_s in _GOOD_S:
        for k in range(int((end_s - begin_s - 2.0) / 0.1)):
            start = begin_s + k * 0.1
            rows.append(
                {
                    "path": "clip.mp4",
                    "emotion": ("happy", "sad", "neutral")[k % 3],
                    "speaker": f"person {len(rows) % 9}",
                    "transcript": "what a wonderful lovely day",
                    "begin_s": round(start, 2),
                    "end_s": round(start + 2.0, 2),
                }
            )
    with (folder / "clips.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return folder


def test_prepare_bundle_evaluate(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    common = ["--data", str(folder), "--cache", str(tmp_path / "cache")]
    assert main(["prepare", *common]) == 0
    assert "person" not in capsys.readouterr().err

    out = tmp_path / "mine"
    assert main(["bundle", *common, "--out", str(out), "--name", "mine"]) == 0
    bundle = open_bundle(out)
    assert bundle.manifest.name == "mine"
    assert "Real pairs" in (out / "card.md").read_text()
    assert {f["data"] for f in bundle.manifest.metrics["figures"]} >= {f"{folder.name}, all three"}

    assert main(["evaluate", *common, "--bundle", str(out), "--out", str(tmp_path / "out")]) == 0
    evaluation = read_evaluation(tmp_path / "out" / "evaluation.json")
    assert evaluation.bundle == bundle.id
    stored = {(f["data"], f["name"]): f["value"] for f in bundle.manifest.metrics["figures"]}
    assert {(f.data, f.name): f.value for f in evaluation.figures} == stored, "the card's figures, again"
    assert (tmp_path / "out" / "report.html").stat().st_size > 10_000


def test_one_speaker_only_is_said(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "clip.mp4").symlink_to(SAMPLES / "clip.mp4")
    table = (folder / "clips.csv").read_text().splitlines()
    alone = [table[0], *(line for line in table[1:] if ",person 0," in line)]
    (tmp_path / "clips.csv").write_text("\n".join(alone) + "\n")
    status = main(["bundle", "--data", str(tmp_path), "--cache", str(tmp_path / "cache"), "--out", str(tmp_path / "b")])
    assert status == 2
    error = capsys.readouterr().err
    assert "one speaker" in error.lower()
    assert not (tmp_path / "b").exists()
