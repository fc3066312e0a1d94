"""What the report's page is built of: its style, and small pieces of HTML in which every string is escaped."""

import html
import re
from collections.abc import Sequence

from export.evaluate.evaluation import Cell

NOTHING = "–"

_STYLE = """
:root { color-scheme: light; --ink: #1b1b1b; --soft: #555; --line: #d9d9d9; --ground: #f6f7f8; --link: #00588a; }
* { box-sizing: border-box; }
html { scroll-behavior: smooth; -webkit-text-size-adjust: 100%; }
body { margin: 0; background: #fff; color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans", sans-serif; }
header, nav, main { max-width: 68rem; margin: 0 auto; padding: 0 1rem; }
header { padding-top: 2.2rem; }
main { padding-bottom: 4rem; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 .4rem; }
h2 { font-size: 1.4rem; line-height: 1.25; margin: 3rem 0 .6rem; padding-top: .7rem; border-top: 2px solid var(--ink); }
h3 { font-size: 1.05rem; line-height: 1.35; margin: 2rem 0 .3rem; }
p { margin: .3rem 0 .8rem; max-width: 46rem; overflow-wrap: anywhere; }
a { color: var(--link); }
.soft, figcaption span, small { color: var(--soft); }
small { font-size: .9em; display: block; line-height: 1.4; }
code, pre { font: .86em/1.5 ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; overflow-wrap: anywhere; }
pre { background: var(--ground); padding: .7rem .9rem; white-space: pre-wrap; border-radius: 4px; margin: .4rem 0; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .15rem 1.2rem; margin: 1rem 0; }
dt { color: var(--soft); } dd { margin: 0; overflow-wrap: anywhere; }
nav ol { columns: 15rem; margin: .3rem 0 0; padding: .8rem 1rem .8rem 2.4rem; background: var(--ground);
  border-radius: 4px; }
nav h2 { font-size: 1rem; border: 0; margin: 1.4rem 0 .3rem; padding: 0; }
.wide { overflow-x: auto; margin: .5rem 0 .8rem; }
table { border-collapse: collapse; font-size: .9rem; line-height: 1.4; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .34rem .9rem .34rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
thead th { border-bottom: 1.5px solid var(--ink); vertical-align: bottom; font-weight: 600; }
.n { text-align: right; } td.n { white-space: nowrap; }
.cards td { min-width: 4.8rem; overflow-wrap: break-word; }
.cards td:last-child { min-width: 10rem; overflow-wrap: anywhere; }
.scores tbody tr:hover { background: var(--ground); }
.scores th:first-child, .scores td:first-child { position: sticky; left: 0; background: #fff; min-width: 7rem; }
.pictures { display: grid; gap: .4rem 1.6rem;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 20.5rem), 1fr)); }
.pairs { grid-template-columns: repeat(auto-fill, minmax(min(100%, 26rem), 1fr)); }
figure { margin: .6rem 0; break-inside: avoid; min-width: 0; }
figure + figure { margin-top: 2rem; } .pictures > figure { margin-top: .6rem; }
figure img { display: block; width: 100%; max-width: 28rem; height: auto; }
figcaption { font-weight: 600; line-height: 1.35; margin-bottom: .3rem; }
figcaption span { font-weight: 400; display: block; font-size: .88rem; }
details { margin: .2rem 0 .6rem; font-size: .9rem; } summary { cursor: pointer; color: var(--link); }
.verdict { display: inline-block; white-space: nowrap; font-weight: 600; padding: .02rem .5rem; border-radius: 3px;
  border: 1.5px solid; }
.reached { color: #004b75; background: #e3f0f8; border-color: #0072b2; }
.missed { color: #7a3200; background: #fdebdf; border-color: #d55e00; }
.open { color: #444; background: #f2f2f2; border-color: #999; }
.tally { display: flex; flex-wrap: wrap; gap: .5rem; margin: .8rem 0; font-size: 1.05rem; }
.interval { display: block; width: 130px; height: 18px; }
.whole { white-space: nowrap; } b.whole { font-size: 1.05em; }
.probabilities { display: grid; grid-template-columns: max-content minmax(5rem, 9rem) max-content; gap: 0 .5rem;
  align-items: center; font-size: .92em; line-height: 1.35; }
.bar { height: .75em; background: #eee; display: block; } .bar i { display: block; height: 100%; background: #8a8a8a; }
.bar .truth { background: #0072b2; } .bar .guess { background: #d55e00; }
@media (max-width: 46rem) {
  h1 { font-size: 1.5rem; } h2 { font-size: 1.25rem; }
  dl { grid-template-columns: 1fr; gap: 0; } dd { margin-bottom: .4rem; }
  .cards thead { display: none; }
  .cards, .cards tbody, .cards tr, .cards td { display: block; text-align: left; }
  .cards tr { border: 1px solid var(--line); border-radius: 4px; padding: .5rem .8rem; margin: .7rem 0; }
  .cards td, .cards td:last-child { border: 0; min-width: 0; padding: .15rem 0;
    display: grid; grid-template-columns: 6.2rem minmax(0, 1fr); gap: .6rem; }
  .cards td:empty, .cards td:last-child:empty { display: none; }
  .cards td::before { content: attr(data-name); color: var(--soft); font-size: .85rem; }
}
@media print {
  body { font-size: 10pt; } header, nav, main { max-width: none; padding: 0; } a { color: inherit; }
  h2, h3, h3 + p { break-after: avoid; } tr, p { break-inside: avoid; } .wide { overflow: visible; }
  table { font-size: 8pt; } .pictures { grid-template-columns: 1fr 1fr; } .interval { width: 100px; height: 14px; }
  summary, details:not([open]) { display: none; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
"""


def page(title: str, header: str, sections: Sequence[tuple[str, str]]) -> str:
    """The whole page.

    Args:
        header: HTML above the table of contents.
        sections: title (plain) and content (HTML) of each; those without content are left out.
    """
    filled = [(name, anchor(name), content) for name, content in sections if content]
    contents = "".join(f'<li><a href="#{at}">{text(name)}</a></li>\n' for name, at, _ in filled)
    body = "".join(f'<section id="{at}">\n<h2>{text(name)}</h2>\n{content}</section>\n' for name, at, content in filled)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{text(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        f"<header>\n{header}</header>\n<nav>\n<h2>Contents</h2>\n<ol>\n{contents}</ol>\n</nav>\n"
        f"<main>\n{body}</main>\n</body>\n</html>\n"
    )


def text(string: str) -> str:
    """A string of whatever origin, made harmless."""
    return html.escape(string)


def paragraph(string: str) -> str:
    """A paragraph, if there is anything to say."""
    return f"<p>{text(string)}</p>\n" if string.strip() else ""


def anchor(name: str) -> str:
    """What links to a heading point at."""
    return re.sub(r"\W+", "-", name.lower()).strip("-")


def number(value: Cell, decimals: int) -> str:
    """A table's cell: floats at so many decimals, whole numbers and words as they are."""
    if value is None:
        return NOTHING
    if isinstance(value, float):
        return f"{value:.{decimals}f}"
    return str(value)


def table(columns: Sequence[str], rows: Sequence[Sequence[Cell]], decimals: int = 3) -> str:
    """A table that scrolls sideways where the page is narrow; columns of numbers stand on the right."""
    if not rows:
        return '<p class="soft">Nothing was measured.</p>\n'
    numeric = [
        any(isinstance(row[at], int | float) for row in rows) and not any(isinstance(row[at], str) for row in rows)
        for at in range(len(columns))
    ]
    heads = "".join(
        f'<th scope="col"{_side(right)}>{text(name)}</th>' for name, right in zip(columns, numeric, strict=True)
    )
    lines = "".join(
        "<tr>"
        + "".join(f"<td{_side(at)}>{text(number(cell, decimals))}</td>" for cell, at in zip(row, numeric, strict=True))
        + "</tr>\n"
        for row in rows
    )
    return (
        f'<div class="wide"><table class="scores"><thead><tr>{heads}</tr></thead>\n'
        f"<tbody>\n{lines}</tbody></table></div>\n"
    )


def cards(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of HTML cells, each row of which a narrow page shows as a card with the columns' names in it."""
    heads = "".join(f'<th scope="col">{text(name)}</th>' for name in columns)
    lines = "".join(
        "<tr>"
        + "".join(f'<td data-name="{text(name)}">{cell}</td>' for name, cell in zip(columns, row, strict=True))
        + "</tr>\n"
        for row in rows
    )
    return (
        f'<div class="wide"><table class="cards"><thead><tr>{heads}</tr></thead>\n'
        f"<tbody>\n{lines}</tbody></table></div>\n"
    )


def figure(title: str, caption: str, pictures: Sequence[str], numbers: str) -> str:
    """Pictures (data URIs) under one caption, with their numbers (HTML) to fold out."""
    images = "".join(f'<img src="{uri}" alt="{text(title)}">\n' for uri in pictures)
    if len(pictures) > 1:
        images = f'<div class="pictures">\n{images}</div>\n'
    small = f"<span>{text(caption)}</span>" if caption.strip() else ""
    shown = images or '<p class="soft">Nothing was measured.</p>\n'
    folded = f"<details><summary>The numbers</summary>\n{numbers}</details>\n" if images else ""
    return f"<figure>\n<figcaption>{text(title)}{small}</figcaption>\n{shown}{folded}</figure>\n"


def side_by_side(figures: Sequence[str]) -> str:
    """Figures (HTML) in as many columns as the page has room for: larger where that leaves no gap in three."""
    kind = "pictures pairs" if len(figures) in (1, 2, 4) else "pictures"
    return f'<div class="{kind}">\n{"".join(figures)}</div>\n' if figures else ""


def _side(right: bool) -> str:
    return ' class="n"' if right else ""
