"""Words to the text encoder's input: the same plain words that a speech recogniser writes.

Corpora carry capitals, punctuation and smileys; a recogniser does not. Both go through :func:`words_of`,
so that the encoder is trained on what it will read.
"""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge.errors import M3erError

TOKENS = 32
"""Length of the encoder's input; of a longer utterance the last words count."""

PAD, OUT_OF_VOCABULARY = 0, 1
_SPECIAL = ("<pad>", "<unk>")
_WORD = re.compile(r"[a-z]+(?:'[a-z]+)*")


def words_of(text: str) -> list[str]:
    """Lower-case words, apostrophes kept (``don't``), everything else dropped."""
    return _WORD.findall(text.lower().replace("’", "'"))


class Vocabulary:
    """The words that the text encoder knows, by number."""

    def __init__(self, words: Sequence[str]) -> None:
        """Args: words: all entries, starting with ``<pad>`` and ``<unk>``."""
        self.words = tuple(words)
        self._number = {word: i for i, word in enumerate(self.words)}

    @classmethod
    def of_words(cls, words: Iterable[str]) -> "Vocabulary":
        """A vocabulary of these plain words; the special entries are put in front."""
        return cls((*_SPECIAL, *words))

    @classmethod
    def read(cls, path: Path) -> "Vocabulary":
        """Read ``tokens.txt``, one entry a line. Raises M3erError where it is not one."""
        try:
            words = path.read_text(encoding="utf-8").split("\n")
        except UnicodeDecodeError:
            raise M3erError(f"{path}: not a vocabulary (not UTF-8 text)") from None
        if words and words[-1] == "":
            words.pop()
        if tuple(words[:2]) != _SPECIAL or len(set(words)) != len(words):
            raise M3erError(f"{path}: not a vocabulary (must start with <pad>, <unk> and repeat no word)")
        return cls(words)

    def write(self, path: Path) -> None:
        """Write ``tokens.txt``."""
        path.write_text("".join(f"{word}\n" for word in self.words), encoding="utf-8")

    def __len__(self) -> int:
        return len(self.words)

    def encode(self, words: Sequence[str]) -> NDArray[np.int32]:
        """The encoder's input: int32 (1, TOKENS), the last words first to be kept, padded behind."""
        tokens = np.full((1, TOKENS), PAD, np.int32)
        known = [self._number.get(word, OUT_OF_VOCABULARY) for word in words[-TOKENS:]]
        tokens[0, : len(known)] = known
        return tokens
