"""One colour per emotion, the same on the terminal and in the picture."""

from collections.abc import Sequence

# Okabe and Ito's palette, which people with every common kind of colour blindness can tell apart.
ORANGE, SKY, GREEN, YELLOW = "#E69F00", "#56B4E9", "#009E73", "#F0E442"
BLUE, VERMILION, PURPLE, BLACK = "#0072B2", "#D55E00", "#CC79A7", "#000000"
GREY = "#8A8A8A"

_KNOWN = {
    "anger": VERMILION,
    "angry": VERMILION,
    "disgust": GREEN,
    "disgusted": GREEN,
    "fear": PURPLE,
    "fearful": PURPLE,
    "happy": YELLOW,
    "happiness": YELLOW,
    "joy": YELLOW,
    "neutral": SKY,
    "sad": BLUE,
    "sadness": BLUE,
    "surprise": ORANGE,
    "surprised": ORANGE,
}
_SPARE = (ORANGE, PURPLE, GREEN, YELLOW, SKY, VERMILION, BLUE, GREY)


def emotion_colours(labels: Sequence[str]) -> dict[str, str]:
    """A colour (``#RRGGBB``) for each label: its usual one, or one left over."""
    colours = {label: _KNOWN[label.lower()] for label in labels if label.lower() in _KNOWN}
    left_over = [colour for colour in _SPARE if colour not in colours.values()] or list(_SPARE)
    own = [label for label in labels if label not in colours]
    colours.update((label, left_over[i % len(left_over)]) for i, label in enumerate(own))
    return colours


def ink_on(colour: str) -> str:
    """Black or white, whichever is easier to read on ``colour`` (``#RRGGBB``)."""
    red, green, blue = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    return "#000000" if luma > 0.5 else "#FFFFFF"
