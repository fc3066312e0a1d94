"""``m3er-export train``: the three encoders, from corpora. They are kept in the cache, where bundling finds them."""

import argparse
from pathlib import Path

from edge.models import VOSK_TINY_EN
from edge.perceive.tokens import Vocabulary, words_of
from edge.reading import Modality
from export.corpora.everything import Corpora, read_corpora
from export.corpora.utterances import make_vocabulary
from export.nets.devices import Devices
from export.nets.encoder_training import CURVE, EncoderTask
from export.nets.encoders import Schedules, train_encoders
from export.options import add_data, add_devices, devices


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``m3er-export train``."""
    add_data(parser)
    add_devices(parser)


def run(args: argparse.Namespace) -> int:
    """``m3er-export train``."""
    corpora = read_corpora(args.data, args.cache, args.seed)
    _, encoders = trained(corpora, args.cache, args.seed, Schedules(), devices(args))
    for m, task in encoders.items():
        last = dict(zip(CURVE, task.curve[-1].tolist(), strict=True))
        print(f"{m}: " + ", ".join(f"{name} {value:.3f}" for name, value in last.items() if name != "epoch"))
    return 0


def trained(
    corpora: Corpora, cache: Path, seed: int, schedules: Schedules, devices: Devices
) -> tuple[Vocabulary, dict[Modality, EncoderTask]]:
    """The text encoder's vocabulary and the encoders; what the cache has is not trained again."""
    vocabulary = make_vocabulary(corpora.utterances["train"], _recogniser_words())
    return vocabulary, train_encoders(corpora, vocabulary, cache, seed, schedules, devices)


def _recogniser_words() -> set[str]:
    """The words of the speech recogniser that is shipped: the text encoder must know each of them."""
    words = (VOSK_TINY_EN / "graph" / "words.txt").read_text(encoding="utf-8").splitlines()
    return {line.split()[0] for line in words if words_of(line.split()[0]) == [line.split()[0]]}
