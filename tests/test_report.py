"""The report needs no file beside it, tells everything that was measured, and obeys no string in it."""

import base64
import html
import io
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.image import imread
from pydantic import BaseModel

from edge.errors import M3erError
from export.evaluate.evaluation import (
    Confusion,
    Evaluation,
    Figure,
    LearningCurve,
)
from export.evaluate.report import report_html, write_report
from export.evaluate.report_figures import CURVES_PER_PICTURE
from export.evaluate.report_reached import exact
from tests.made_evaluation import EMOTIONS, HOSTILE, figures, made_evaluation

VOID = {"meta", "img", "br"}


@pytest.fixture(scope="module")
def page() -> str:
    return report_html(made_evaluation())


def shown(page: str) -> str:
    """What a reader sees, without tags."""
    return html.unescape(re.sub(r"<style>.*?</style>|<[^>]*>", " ", page, flags=re.DOTALL))


def pictures(page: str) -> list[str]:
    return re.findall(r'<img src="([^"]*)"', page)


def titles(evaluation: Evaluation) -> set[str]:
    """Of everything that has one."""
    return {
        one["title"]
        for many in evaluation.model_dump().values()
        if isinstance(many, list)
        for one in many
        if "title" in one
    }


def empty() -> Evaluation:
    """One that measured nothing."""
    lists: dict[str, list[object]] = {name: [] for name, value in made_evaluation() if isinstance(value, list)}
    return made_evaluation().model_copy(update=lists)


class Balance(HTMLParser):
    """Follows tags, ids and what is loaded."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.sources: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self.open.append(tag)
        for name, value in attributes:
            assert not name.startswith("on"), f"{tag} has {name}"
            into = {"id": self.ids, "href": self.links, "src": self.sources}.get(name)
            if into is not None:
                into.append(value or "")

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attributes)
        self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def parsed(page: str) -> Balance:
    parser = Balance()
    parser.feed(page)
    assert not parser.open
    return parser


def test_the_page_is_sound_and_needs_no_other_file(page: str) -> None:
    parser = parsed(page)
    assert len(parser.ids) == len(set(parser.ids))
    assert parser.links
    assert all(link.removeprefix("#") in parser.ids and link.startswith("#") for link in parser.links)
    assert all(source.startswith("data:image/") for source in parser.sources)
    assert not re.search(r"<script|<link|<iframe|@import|url\(|https?:", page)
    assert "viewport" in page


def test_every_picture_decodes(page: str) -> None:
    made = made_evaluation()
    rocs = sum(-(-len(roc.curves) // CURVES_PER_PICTURE) for roc in made.rocs)
    others = [*made.confusions, *made.reliabilities, *made.coverages, *made.learning, *made.proxies]
    assert len(pictures(page)) == rocs + len(others)
    kinds = set()
    for uri in pictures(page):
        kind, _, data = uri.partition(";base64,")
        content = base64.b64decode(data, validate=True)
        kinds.add(kind)
        if kind == "data:image/svg+xml":
            assert ElementTree.fromstring(content).tag.endswith("svg")
        else:
            assert kind == "data:image/png"
            assert min(imread(io.BytesIO(content)).shape[:2]) > 100
    assert len(kinds) == 2


def test_every_title_and_every_number_can_be_read(page: str) -> None:
    made, seen = made_evaluation(), " ".join(shown(page).split())
    for table in made.tables:
        assert table.title in seen
        assert table.text in seen
        for row in table.rows:
            for cell in row:
                assert ("–" if cell is None else f"{cell:.3f}" if isinstance(cell, float) else str(cell)) in seen
    assert all(title in seen for title in titles(made))
    for figure in made.figures:
        for value in (figure.value, figure.low, figure.high, figure.reach):
            assert exact(figure, value) in seen
        assert figure.peer in seen
        assert figure.note in seen
    for roc in made.rocs:
        for curve in roc.curves:
            assert f"{curve.name} {curve.area:.3f}" in seen
    for mistake in made.mistakes:
        assert mistake.name in seen
        assert f"{mistake.confidence:.3f}" in seen
    for fact in (made.bundle, made.commit, made.command, made.machine, made.made, made.data):
        assert fact in seen
    assert re.findall(r"(reached|missed|no aim set): (\d+)", seen) == [
        ("reached", "8"),
        ("missed", "3"),
        ("no aim set", "1"),
    ]


def test_strings_are_shown_and_never_obeyed() -> None:
    def hostile(value: Any) -> Any:
        """The same value with every string in it hostile, except where the model itself says what may stand there."""
        if isinstance(value, BaseModel):
            kept = {"section", "key", "better", "made"}
            return value.model_copy(update={k: v if k in kept else hostile(v) for k, v in value})
        if isinstance(value, list):
            return [hostile(one) for one in value]
        if isinstance(value, dict):
            return {f"{HOSTILE}{key}": hostile(one) for key, one in value.items()}
        return HOSTILE if isinstance(value, str) else value

    page = report_html(hostile(made_evaluation()))
    parsed(page)
    assert "<script" not in page
    assert shown(page).count(HOSTILE) > 100


def test_sections_come_in_order_and_only_if_there_is_something_in_them(page: str) -> None:
    assert re.findall(r"<h2>([^<]*)</h2>", page) == [
        "Contents", "What was reached", "Part by part", "Fusion and method", "The modality check", "Proxies",
        "Missing modalities", "Damage", "Calibration", "Open questions", "The 10 worst mistakes", "How this was made",
    ]  # fmt: skip
    nothing = report_html(empty())
    assert re.findall(r"<h2>([^<]*)</h2>", nothing) == ["Contents", "How this was made"]
    parsed(nothing)


def first_of(value: Any) -> Any:
    """The same evaluation with one element in every list, one label and one epoch."""
    if isinstance(value, BaseModel):
        return value.model_copy(update={name: first_of(one) for name, one in value})
    if isinstance(value, list):
        return [first_of(one) for one in value[:1]]
    return value


def none_of(value: Any, depth: int = 0) -> Any:
    """The same evaluation with each thing that is measured named, and nothing in it."""
    if isinstance(value, BaseModel):
        return value.model_copy(update={name: none_of(one, depth + 1) for name, one in value})
    if isinstance(value, list):
        return [none_of(one, depth) for one in value] if depth == 1 else []
    return value


@pytest.mark.parametrize("cut", [first_of, none_of])
def test_short_lists_draw(cut: Callable[[Evaluation], Evaluation]) -> None:
    evaluation = Evaluation.model_validate(cut(made_evaluation()).model_dump() | {"learning": []})
    seen = shown(report_html(evaluation))
    assert len(titles(evaluation)) > 4
    assert all(title in seen for title in titles(evaluation))
    learning = [
        curve.model_copy(
            update={"epochs": curve.epochs[:1], "series": {name: v[:1] for name, v in curve.series.items()}}
        )
        for curve in made_evaluation().learning
    ]
    learning += [LearningCurve(net="a", epochs=[], series={}), LearningCurve(net="b", epochs=[], series={"loss": []})]
    page = report_html(empty().model_copy(update={"learning": learning}))
    assert (len(pictures(page)), page.count("Nothing was measured")) == (2, 2)


def test_labels_without_samples_and_constant_features_draw() -> None:
    made = made_evaluation()
    nobody = Confusion(title="Nobody", split="none", labels=EMOTIONS, counts=[[0] * 7] * 7)
    row = made.proxies[0].rows[0].model_copy(update={"true": [0.0], "noisy": [0.0], "regenerated": [0.0]})
    flat = made.proxies[0].model_copy(update={"rows": [row]})
    assert len(pictures(report_html(empty().model_copy(update={"confusions": [nobody], "proxies": [flat]})))) == 2


def test_the_same_evaluation_makes_the_same_page(page: str) -> None:
    assert report_html(made_evaluation()) == page


def test_the_page_is_written_whole_and_replaces_an_older_one(tmp_path: Path, page: str) -> None:
    path = tmp_path / "out" / "report.html"
    for _ in range(2):
        write_report(made_evaluation(), path)
    assert path.read_text(encoding="utf-8") == page
    assert list(path.parent.iterdir()) == [path]
    with pytest.raises(M3erError, match=r"page: cannot be written"):
        (tmp_path / "page").mkdir()
        write_report(empty(), tmp_path / "page")
    assert sorted(one.name for one in tmp_path.iterdir()) == ["out", "page"]


@given(st.lists(figures(), max_size=3))
def test_any_figures_draw(some: list[Figure]) -> None:
    seen = shown(report_html(empty().model_copy(update={"figures": some})))
    assert all(exact(one, one.value) in seen for one in some)


@given(figures())
def test_what_is_reached_is_never_written_as_if_it_were_not(one: Figure) -> None:
    if one.reach is None:
        assert one.reached is None
    elif abs(one.value - one.reach) > 1e-6 or one.value == one.reach:
        value, reach = float(exact(one, one.value)), float(exact(one, one.reach))
        assert one.reached is (value >= reach if one.better == "higher" else value <= reach)
