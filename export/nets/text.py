"""The text encoder: word vectors, three widths of convolution, maximum over time, and the vectors' own mean.

Words that do not belong together show in their order, which the emotions hardly need: two convolutions of their own
look at it, one word and its neighbours at a time.
"""

import torch
from torch import Tensor, nn

from edge.perceive.tokens import PAD
from export.nets.encoder import DAMAGE, Encoder

EMBEDDING = 64
"""The first 50 start from GloVe 6B's smallest vectors where it has the word."""

_WIDTHS = {1: 64, 3: 128, 5: 64}
_ORDER = 96


class _Body(nn.Module):
    """Tokens (batch, 32) to what was said, (batch, 320), and to the words: vectors, and whether one is there at all,
    (batch, EMBEDDING + 1, 32)."""

    def __init__(self, vocabulary: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, EMBEDDING, padding_idx=PAD)
        self.dropout = nn.Dropout(0.3)
        self.convolutions = nn.ModuleList(
            [nn.Conv1d(EMBEDDING, channels, width, padding=width // 2) for width, channels in _WIDTHS.items()]
        )

    def forward(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        there = (tokens != PAD).float()[:, None]
        x = self.dropout(self.embedding(tokens)).transpose(1, 2) * there
        pooled = [(conv(x).relu() * there).amax(dim=2) for conv in self.convolutions]
        count = there.sum(dim=2).clamp(min=1.0).sqrt()
        return torch.cat([*pooled, x.sum(dim=2) / count], dim=1), torch.cat([x, there], dim=1)


class _WordOrder(nn.Module):
    """Words (batch, EMBEDDING + 1, 32) to whether they belong together: (batch, DAMAGE)."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv1d(EMBEDDING + 1, _ORDER, 3, padding=1)
        self.second = nn.Conv1d(_ORDER, _ORDER, 3, padding=1)
        self.verdict = nn.Sequential(nn.Linear(2 * _ORDER, 24), nn.ReLU(), nn.Linear(24, DAMAGE))

    def forward(self, words: Tensor) -> Tensor:
        there = words[:, -1:]
        x = self.second(self.first(words).relu() * there).relu() * there
        mean = x.sum(dim=2) / there.sum(dim=2).clamp(min=1.0)
        found: Tensor = self.verdict(torch.cat([x.amax(dim=2), mean], dim=1))
        return found


class TextEncoder(Encoder):
    """Tokens, int32 (batch, 32), to features, float32 (batch, 64)."""

    def __init__(self, vocabulary: int) -> None:
        body = _Body(vocabulary)
        super().__init__(body, pooled=sum(_WIDTHS.values()) + EMBEDDING, dropout=0.4, damage=_WordOrder())

    def seen(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """What was said, and the words in their order."""
        pooled, words = self.body(x)
        return pooled, words

    @property
    def embedding(self) -> nn.Embedding:
        """The words' vectors."""
        body: _Body = self.body  # type: ignore[assignment]
        return body.embedding
