"""What every picture of a page is drawn on: one style, a telephone's width, and a data URI at the end."""

import base64
import io
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import matplotlib.style
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure as Canvas

_WIDTH_INCH = 3.75  # 360 CSS pixels
_PNG_DPI = 220
_LINE = "#666666"
_STYLE = {
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same picture everywhere
    "font.size": 8.5,
    "axes.labelsize": 8.5,
    "axes.titlesize": 8.5,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.fontsize": 7.5,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": _LINE,
    "axes.axisbelow": True,
    "grid.color": "#E6E6E6",
    "grid.linewidth": 0.7,
    "lines.linewidth": 1.7,
    "text.parse_math": False,  # names are not formulas
    "svg.fonttype": "path",
    "svg.hashsalt": "m3er-edge",  # the same evaluation makes the same page, byte for byte
}


def style() -> AbstractContextManager[None]:
    """Draw inside of it."""
    context: AbstractContextManager[None] = matplotlib.style.context(["default", _STYLE])
    return context


def new_canvas(height_inch: float) -> Any:
    """An empty picture, as wide as a telephone."""
    canvas = Canvas(figsize=(_WIDTH_INCH, height_inch), layout="constrained")
    FigureCanvasAgg(canvas)
    return canvas


def svg(canvas: Any) -> str:
    """As a data URI: sharp at every size."""
    return _data_uri("image/svg+xml", lambda file: canvas.savefig(file, format="svg", metadata={"Date": None}))


def png(canvas: Any) -> str:
    """As a data URI: for pictures of many small fields."""
    return _data_uri("image/png", lambda file: canvas.savefig(file, format="png", dpi=_PNG_DPI))


def _data_uri(media_type: str, save: Callable[[io.BytesIO], None]) -> str:
    file = io.BytesIO()
    save(file)
    return f"data:{media_type};base64,{base64.b64encode(file.getvalue()).decode('ascii')}"
