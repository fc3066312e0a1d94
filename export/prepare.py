"""``m3er-export prepare``: read the corpora, compute their features once, and say what is in them."""

import argparse

from rich.console import Console
from rich.table import Table

from export.corpora.clip import split_by_speaker
from export.corpora.clip_moments import prepare_clips
from export.corpora.everything import Corpora, read_corpora
from export.corpora.owned import read_owned
from export.options import add_data


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``m3er-export prepare``."""
    add_data(parser)


def run(args: argparse.Namespace) -> int:
    """``m3er-export prepare``."""
    owned = read_owned(args.data)
    if owned is None:
        table = _of_corpora(read_corpora(args.data, args.cache, args.seed))
    else:
        table = Table("split", "clips", "readable", "speakers", "face", "voice", "words", title=str(args.data))
        for split, clips in split_by_speaker(owned[0], args.seed).items():
            moments = prepare_clips(clips, args.cache)
            there = moments.present.any(axis=1).mean(axis=0)
            people = len({clip.speaker for clip in moments.clips})
            shares = [f"{share:.0%}" for share in there]
            table.add_row(split, str(len(clips)), str(len(moments.clips)), str(people), *shares)
    Console().print(table)
    return 0


def _of_corpora(corpora: Corpora) -> Table:
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
