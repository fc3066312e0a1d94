"""Models that are shipped with the package, because they are our own work and small."""

from pathlib import Path

VOSK_TINY_EN = Path(__file__).parent / "vosk-tiny-en"
"""A genuine Vosk model of 145 English words, trained on synthetic speech alone. Its README has its scores."""
BEST = "best"
"""As a speech model's name: for a live run the best at hand; for a file the one that is shipped."""
