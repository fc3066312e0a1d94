"""What was measured, as one page that a person can read anywhere: no file beside it, no network, no scripts."""

from pathlib import Path

from export.evaluate.evaluation import Evaluation, Section, write_whole
from export.evaluate.report_page import page, text
from export.evaluate.report_parts import (
    calibration_html,
    confusions_html,
    learning_html,
    mistakes_html,
    proxies_html,
    rocs_html,
    tables_html,
)
from export.evaluate.report_reached import reached_html


def write_report(evaluation: Evaluation, path: Path) -> None:
    """Write the report; an older one is replaced whole. Raises M3erError if it cannot be written."""
    write_whole(path, report_html(evaluation))


def report_html(evaluation: Evaluation) -> str:
    """The report as one page of HTML."""

    def tables(section: Section) -> str:
        return tables_html([one for one in evaluation.tables if one.section == section])

    count = len(evaluation.mistakes)
    sections = [
        ("What was reached", reached_html(evaluation.figures)),
        (
            "Part by part",
            confusions_html(evaluation.confusions) + tables("per part") + learning_html(evaluation.learning),
        ),
        ("Fusion and method", tables("fusion")),
        ("The modality check", rocs_html(evaluation.rocs) + tables("check")),
        ("Proxies", proxies_html(evaluation.proxies) + tables("proxies")),
        ("Missing modalities", tables("missing")),
        ("Damage", tables("damage")),
        ("Calibration", calibration_html(evaluation.reliabilities, evaluation.coverages)),
        ("Open questions", tables("open questions")),
        ("The worst mistake" if count == 1 else f"The {count} worst mistakes", mistakes_html(evaluation.mistakes)),
        ("How this was made", _making(evaluation)),
    ]
    name = evaluation.bundle.partition("@")[0]
    return page(f"How good is the bundle ‘{name}’?", _header(evaluation, name), sections)


def _header(evaluation: Evaluation, name: str) -> str:
    bundle, _, digest = evaluation.bundle.partition("@sha256:")
    facts = {
        "bundle": f"{bundle}@sha256:{digest[:12]}" if digest else bundle,
        "made": evaluation.made,
        "commit": evaluation.commit[:12],
        "data": evaluation.data,
        "machine": evaluation.machine,
    }
    lines = "".join(f"<dt>{fact}</dt><dd>{text(value)}</dd>\n" for fact, value in facts.items())
    return (
        f"<h1>How good is the bundle ‘{text(name)}’?</h1>\n"
        '<p class="soft">Scores of an m3er-edge bundle: the files as shipped, on people, images and texts that '
        "nothing was trained on, unless a table says otherwise.</p>\n"
        f"<dl>\n{lines}<dt>command</dt><dd><code>{text(evaluation.command)}</code></dd>\n</dl>\n"
    )


def _making(evaluation: Evaluation) -> str:
    return (
        "<p>One command makes all of it again; the numbers of this page are in evaluation.json beside it.</p>\n"
        f"<pre>{text(evaluation.command)}</pre>\n"
        f"<dl>\n<dt>bundle</dt><dd><code>{text(evaluation.bundle)}</code></dd>\n"
        f"<dt>commit</dt><dd><code>{text(evaluation.commit)}</code></dd>\n"
        f"<dt>seed</dt><dd>{evaluation.seed}</dd>\n<dt>made</dt><dd>{text(evaluation.made)}</dd>\n"
        f"<dt>machine</dt><dd>{text(evaluation.machine)}</dd>\n<dt>data</dt><dd>{text(evaluation.data)}</dd>\n</dl>\n"
        "<p>Accuracy is the share of right answers; mean recall (UAR) the mean of the share found of each class, "
        "whatever its size; weighted F1 the mean F1 of the classes, weighted by their size. A dash – stands for what "
        "was not measured. Colours are those of Okabe and Ito, viridis and cividis, which colour-blind people can "
        "tell apart.</p>\n"
    )
