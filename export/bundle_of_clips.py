"""A bundle from real clips of people: a user's own, or a licensed corpus.

The encoders are another bundle's, as they are; tables, check, proxies and fusion are fitted on the clips, in which
face, voice and words are truly of the same moment.
"""

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge.bundle import Bundle, open_bundle
from edge.reading import MODALITIES, Modality
from export.card import Story
from export.corpora.clip import Clip, split_by_speaker
from export.corpora.clip_moments import encode_moments, prepare_clips
from export.corpora.paired import PairedSteps
from export.evaluate.whole_step import encoders_of, whole_step_figures
from export.fuse import FusionPlan, Ingredients, fuse
from export.heads import HEADS


def bundle_of_clips(
    clips: Sequence[Clip],
    labels: tuple[str, ...],
    encoders: Path,
    out: Path,
    name: str,
    cache: Path,
    seed: int,
    plan: FusionPlan,
) -> None:
    """Split by speaker (or as the corpus's owner did), perceive, encode, fit, score, write.

    Args:
        encoders: the bundle whose encoders are used.

    Raises:
        M3erError: the clips cannot be split, most cannot be read, or too few show face, voice and words at once.
    """
    base = open_bundle(encoders)
    pairs, people = {}, {}
    for split, own in split_by_speaker(clips, seed).items():
        pairs[split], people[split] = clip_pairs(base, own, labels, cache)
    with tempfile.TemporaryDirectory() as scratch:
        nets = Path(scratch)
        variants = [variant for m in MODALITIES for variant in base.variants(m)]
        for variant in variants:
            shutil.copyfile(base.path(variant), nets / Path(variant.file).name)
        made_of = Ingredients(
            labels=labels,
            nets=nets,
            encoders=variants,
            ruin={m: _ruin_detector(base, m) for m in MODALITIES},
            strange={},
            vocabulary=base.vocabulary,
            beside={HEADS: (base.folder / HEADS).read_bytes()} if (base.folder / HEADS).exists() else {},
            matching=pairs["train"],
            validation=pairs["validation"],
            story=_story(clips, people, base),
        )
        data = ", ".join(sorted({clip.dataset for clip in clips}))
        fuse(made_of, out, name, seed, plan, lambda b: whole_step_figures(b, data, pairs["test"], people["test"]))


def clip_pairs(
    bundle: Bundle, clips: Sequence[Clip], labels: Sequence[str], cache: Path
) -> tuple[PairedSteps, list[str]]:
    """Clips that can be read, as pairs of a bundle's features; and the speaker of each."""
    moments = prepare_clips(clips, cache)
    pairs = encode_moments(moments, encoders_of(bundle), bundle.vocabulary, labels)
    return pairs, [clip.speaker for clip in moments.clips]


def _ruin_detector(base: Bundle, modality: Modality) -> NDArray[np.float32]:
    """The base's detector, for its encoder's features as they come; its constant is set anew on validation."""
    tables = base.tables
    weights = tables.damage[modality][:-1] / tables.scale[modality]
    return np.append(weights, tables.damage[modality][-1] - weights @ tables.mean[modality]).astype(np.float32)


def _story(clips: Sequence[Clip], people: dict[str, list[str]], base: Bundle) -> Story:
    datasets = ", ".join(sorted({clip.dataset for clip in clips}))
    counts = ", ".join(f"{split} {len(set(of))} speakers, {len(of)} clips" for split, of in people.items())
    return Story(
        data=[
            {"name": datasets, "licence": "as its owner gives it", "use": "tables, check, proxies and fusion"},
            {"name": f"bundle {base.id}", "licence": "see its card", "use": "encoders"},
        ],
        pairs=f"Real pairs: face, voice and words of the same moment. Clips that could be read: {counts}. No speaker "
        "is in two splits unless the corpus's owner put him there.",
    )
