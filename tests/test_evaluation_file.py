"""The evaluation's file: what was written is read, and a bad one is refused with its name and the field."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from edge.errors import M3erError
from export.evaluate.evaluation import Figure, Table, read_evaluation, write_evaluation
from tests.made_evaluation import figures, made_evaluation


@given(st.lists(figures(), max_size=3))
def test_figures_are_read_as_they_were_written(tmp_path_factory: pytest.TempPathFactory, some: list[Figure]) -> None:
    evaluation = made_evaluation().model_copy(update={"figures": some, "rocs": [], "learning": [], "tables": []})
    path = tmp_path_factory.getbasetemp() / "figures.json"
    write_evaluation(evaluation, path)
    assert read_evaluation(path) == evaluation


def test_everything_is_read_as_it_was_written(tmp_path: Path) -> None:
    write_evaluation(made_evaluation(), tmp_path / "evaluation.json")
    again = read_evaluation(tmp_path / "evaluation.json")
    assert again == made_evaluation()
    whole = [type(cell) for cell in again.tables[0].rows[0]]
    assert whole == [str, float, float, float, float, int]


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda made: made["figures"][3].pop("value"), "lacks figures.3.value"),
        (lambda made: made["figures"][0].update(low=None), "figures.0: .*low and high go together"),
        (lambda made: made["figures"][0].update(low=0.9, high=0.8), "figures.0: .*low is above high"),
        (lambda made: made["figures"][0].update(value=float("nan")), "figures.0.value: .*finite"),
        (lambda made: made["figures"][0].update(reached=True), "figures.0.reached: .*not permitted"),
        (lambda made: made.update(remark="?"), "remark: .*not permitted"),
        (lambda made: made.update(made="yesterday"), "made: "),
        (lambda made: made["tables"][1].update(key="table0"), "two tables have the key 'table0'"),
        (lambda made: made["tables"][1].update(section="rest"), "tables.1.section: "),
        (lambda made: made["tables"][0]["rows"][2].pop(), "tables.0: .*row 3 has 5 cells for 6 columns"),
        (lambda made: made["tables"][0]["rows"][2].__setitem__(1, float("inf")), "tables.0.rows.2.1"),
        (lambda made: made["confusions"][0]["counts"].pop(), "confusions.0: .*7 rows of 7"),
        (lambda made: made["confusions"][0]["counts"][2].__setitem__(1, -1), "confusions.0.counts.2.1: "),
        (lambda made: made["rocs"][0]["curves"][1]["true_positive"].pop(), "rocs.0.curves.1: .*has 59 values"),
        (lambda made: made["coverages"][0]["accuracy"].pop(), "coverages.0: .*accuracy has 59 values"),
        (lambda made: made["learning"][0]["series"]["training loss"].pop(), "learning.0: .*training loss has 29"),
        (lambda made: made["proxies"][0]["rows"][4]["noisy"].pop(), "proxies.0: .*row 5"),
        (lambda made: made["mistakes"][9].update(confidence=1.2), "mistakes.9.confidence: "),
        (lambda made: made["reliabilities"][0]["bins"][0].update(samples=0), "reliabilities.0.bins.0.samples: "),
    ],
)
def test_a_bad_file_is_refused_with_its_name_and_the_field(
    tmp_path: Path, spoil: Callable[[dict[str, Any]], object], said: str
) -> None:
    made = made_evaluation().model_dump()
    spoil(made)
    path = tmp_path / "evaluation.json"
    path.write_text(json.dumps(made), encoding="utf-8")
    with pytest.raises(M3erError, match=rf"evaluation\.json: .*{said}"):
        read_evaluation(path)


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"\xff\xfe", None])
def test_what_is_no_evaluation_is_refused_with_its_name(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "evaluation.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(M3erError, match=r"evaluation\.json: "):
        read_evaluation(path)


def test_a_score_that_is_not_a_number_cannot_be_written_down() -> None:
    with pytest.raises(ValidationError):
        Table(key="a", section="fusion", title="", columns=["x"], rows=[[float("nan")]])
