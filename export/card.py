"""The model card of a bundle: what it learnt from, how it scores, where it fails."""

from collections.abc import Sequence
from dataclasses import dataclass

from edge.bundle import NetVariant
from export.evaluate.evaluation import Figure

WHOLE = "whole step"
_PARITY = {
    "cosine_worst": ".4f",
    "cosine_median": ".4f",
    "top1_agreement": ".1%",
    "score": ".3f",
    "score_lost": "+.3f",
}


@dataclass(frozen=True)
class Story:
    """What a bundle learnt from: its corpora (name, licence, use) and what kind of pairs they make, in Markdown."""

    data: list[dict[str, str]]
    pairs: str


VOTE_MATCHED = Story(
    data=[
        {
            "name": "FER2013 with FER+ votes",
            "licence": "votes MIT; pictures web-scraped without a clear licence: no picture is shipped",
            "use": "face encoder; faces of the vote-matched pairs",
        },
        {"name": "CREMA-D", "licence": "ODbL 1.0", "use": "speech encoder; voices of the vote-matched pairs"},
        {
            "name": "RAVDESS",
            "licence": "CC BY-NC-SA 4.0",
            "use": "speech encoder; voices of the vote-matched pairs",
        },
        {
            "name": "MELD, EmoryNLP, DailyDialog, GoEmotions, EmoContext, dair-ai/emotion, ISEAR, CrowdFlower",
            "licence": "GPL-3.0 (MELD, EmoryNLP), CC BY-NC-SA 4.0 (DailyDialog), Apache-2.0 (GoEmotions), "
            "research terms or not stated (the rest)",
            "use": "text encoder; words of the vote-matched pairs (MELD, EmoryNLP, DailyDialog)",
        },
        {"name": "GloVe 6B, 50 d", "licence": "PDDL 1.0", "use": "start of the text encoder's word vectors"},
    ],
    pairs="""Two of these corpora forbid commercial use (CC BY-NC-SA); whether that binds weights is disputed: ask a
lawyer before you sell a robot with this bundle, or train your own.

**The pairs are a surrogate.** No recording of face, voice and words of the same moment was at hand that may
be used freely. Each CREMA-D or RAVDESS recording was joined with FER+ faces whose human votes match what
people saw in that clip's face, and with an utterance of the same emotion. So the three modalities agree in
emotion and in nothing else: no lip moves with a voice. Correlations, thresholds, proxies and the fusion were
fitted on such pairs. Splits are by speaker (CREMA-D, RAVDESS); FER+ PrivateTest is taken without near-duplicates
of training faces; no text stands in two splits.""",
)


def card(
    name: str,
    story: Story,
    labels: Sequence[str],
    figures: list[Figure],
    unknown_below: float,
    variants: list[NetVariant],
) -> str:
    """Markdown."""
    lines = [
        f"# Bundle `{name}`",
        "",
        f"Face, voice and words of one moment in, one of {len(labels)} emotions out: {', '.join(labels)}.",
        "For robots that should notice how a person seems to feel. It reports what people would *say they see and",
        "hear*, not what somebody feels; do not use it to judge a person.",
        "",
        "## What it learnt from",
        "",
        "| corpus | licence | use |",
        "|---|---|---|",
        *(f"| {d['name']} | {d['licence']} | {d['use']} |" for d in story.data),
        "",
        story.pairs,
        "",
        "## Scores",
        "",
        "The files as shipped, on people, images and texts that nothing was trained on. Made by `m3er-export bundle`;",
        "`m3er-export evaluate` makes them again, with ablations and plots.",
        "",
        "| part | test set | accuracy | mean recall | weighted F1 | samples |",
        "|---|---|---|---|---|---|",
        *_rows([f for f in figures if f.part != WHOLE], ("accuracy", "mean recall", "weighted F1")),
        "",
        "In brackets: 95 % intervals by bootstrap, over people where people are named. Recordings: what the actor was",
        "asked for (intended), and what most listeners of the voice alone heard.",
        "",
        "The whole step (check, proxies, fusion) on test moments of 3 s. On vote-matched pairs: against the majority",
        "of those who heard and saw the clip, and easier than life, because the modalities were chosen to agree.",
        "",
        "| part | given | accuracy | mean recall | calibration error | samples |",
        "|---|---|---|---|---|---|",
        *_rows([f for f in figures if f.part == WHOLE], ("accuracy", "mean recall", "calibration error")),
        "",
        f"`unknown` is said below a confidence of {unknown_below:.2f}.",
        "",
        "## Files",
        "",
        "Each float file was compared with the torch net, each int8 file with the float file that it was made of:",
        "centred cosines of 500 validation inputs, how many have the same most probable class, and the score of what",
        "the net is for on validation (encoders: accuracy of their first head; fusion: of the whole step). The first",
        "file of a net was the fastest on the machine that made the bundle; `m3er-edge bench` says which is on yours.",
        "",
        "| file | worst cosine | median | same class | score | lost |",
        "|---|---|---|---|---|---|",
        *(
            "| "
            + " | ".join(
                (
                    f"`{v.file}`",
                    *(format(v.parity[key], how) if key in v.parity else "–" for key, how in _PARITY.items()),
                )
            )
            + " |"
            for v in variants
        ),
        "",
        "## Limits",
        "",
        "- Acted speech in English, staged in a studio; faces from web pictures. Everyday speech is weaker and mixed.",
        "- Rare emotions (fear, disgust) are weakest; see mean recall.",
        "- One face at a time: the tracked one.",
        "- The check knows sensor faults (noise, darkness, a covered lens, silence) and modalities that disagree; it",
        "  does not know irony.",
        "",
    ]
    return "\n".join(lines)


def _rows(figures: list[Figure], names: tuple[str, ...]) -> list[str]:
    """A line of the table per test set, a column per score with its interval."""
    found: dict[tuple[str, str], dict[str, Figure]] = {}
    for figure in figures:
        found.setdefault((figure.part, figure.data), {})[figure.name] = figure
    return [
        f"| {part} | {data} | "
        + " | ".join(f"{s.value:.3f} ({s.low:.3f} to {s.high:.3f})" for s in (scores[name] for name in names))
        + f" | {scores[names[0]].samples:,} |"
        for (part, data), scores in found.items()
    ]
