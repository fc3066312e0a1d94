"""``m3er-export prepare``: read the corpora, compute their features once, and say what is in them."""

import argparse

from rich.console import Console
from rich.table import Table

from export.corpora.everything import Corpora, read_corpora
from export.options import add_data


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``m3er-export prepare``."""
    add_data(parser)


def run(args: argparse.Namespace) -> int:
    """``m3er-export prepare``."""
    Console().print(_table(read_corpora(args.data, args.cache, args.seed)))
    return 0


def _table(corpora: Corpora) -> Table:
    table = Table("split", "faces", "recordings", "speakers", "utterances", title="What there is to learn from")
    for split, faces in corpora.faces.items():
        recordings = corpora.recordings[split]
        table.add_row(
            split,
            f"{len(faces.images):,}",
            f"{len(recordings):,}",
            str(len({r.speaker for r in recordings})),
            f"{len(corpora.utterances[split]):,}",
        )
    return table
