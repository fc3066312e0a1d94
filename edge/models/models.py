"""``m3er-edge models``: which models there are, and fetching the public ones."""

import argparse
import logging
from pathlib import Path
from urllib.parse import urlsplit

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from edge.errors import M3erError
from edge.models import VOSK_TINY_EN
from edge.models.fetch import fetch
from edge.models.find import installed, meant
from edge.models.public import PUBLIC_MODELS, PublicModel
from edge.perceive.face_detector import model_folders

_log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What can be done with models."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="list|fetch")
    actions.add_parser("list", help="which there are, and where they lie on this machine")
    fetching = actions.add_parser("fetch", help="get a public model from the internet, once")
    fetching.add_argument("name", metavar="NAME", help="of the list")


def run(args: argparse.Namespace) -> int:
    """``m3er-edge models``."""
    if args.action == "list":
        _print_list()
    else:
        _fetch(args.name)
    return 0


def _print_list() -> None:
    """Plain columns, as wide as they need: to be read by people and by grep."""
    tiny_bytes = sum(path.stat().st_size for path in VOSK_TINY_EN.rglob("*") if path.is_file())
    rows = [("NAME", "FOR", "LANGUAGE", "SIZE", "LICENCE", "WHERE")]
    rows.append(
        (VOSK_TINY_EN.name, "speech to words", "English, 145 words", _mb(tiny_bytes), "Apache-2.0", str(VOSK_TINY_EN))
    )
    for model in PUBLIC_MODELS:
        where = str(installed(model) or f"not here: m3er-edge models fetch {model.name}")
        rows.append((model.name, model.purpose, model.language, _mb(model.size_bytes), model.licence, where))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    print("\nThe text encoder that is shipped reads English; other languages are for bundles of one's own.")


def _fetch(name: str) -> None:
    if name == VOSK_TINY_EN.name:
        print(f"{name} is shipped, there is nothing to fetch: {VOSK_TINY_EN}")
        return
    model = next((model for model in PUBLIC_MODELS if model.name == name), None)
    if model is None:
        names = [model.name for model in PUBLIC_MODELS]
        raise M3erError(f"{name}: not a model that is known; there are {', '.join(names)}; {meant(name, names)}")
    print(f"{name}: {_fetch_shown(model)}")


def _fetch_shown(model: PublicModel) -> Path:
    console = Console(stderr=True)
    what = f"{model.name} from {urlsplit(model.url).hostname}"
    if not console.is_terminal:  # a bar would leave nothing but an empty line in a log
        _log.info("%s, %s", what, _mb(model.size_bytes))
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(
        *columns, TimeRemainingColumn(), console=console, transient=True, disable=not console.is_terminal
    ) as progress:
        task = progress.add_task(what, total=model.size_bytes)
        return fetch(model, model_folders()[0], lambda have: progress.update(task, completed=have))


def _mb(size_bytes: int) -> str:
    return f"{size_bytes / 1e6:.1f} MB"
