"""The text encoder: word vectors, three widths of convolution, maximum over time, and the vectors' own mean."""

import torch
from torch import Tensor, nn

from edge.perceive.tokens import PAD
from export.nets.encoder import Encoder

EMBEDDING = 64
"""The first 50 start from GloVe 6B's smallest vectors where it has the word."""

_WIDTHS = {1: 64, 3: 128, 5: 64}


class _Body(nn.Module):
    """Tokens (batch, 32) to what was said: (batch, 320)."""

    def __init__(self, vocabulary: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, EMBEDDING, padding_idx=PAD)
        self.dropout = nn.Dropout(0.3)
        self.convolutions = nn.ModuleList(
            [nn.Conv1d(EMBEDDING, channels, width, padding=width // 2) for width, channels in _WIDTHS.items()]
        )

    def forward(self, tokens: Tensor) -> Tensor:
        there = (tokens != PAD).float()[:, None]
        x = self.dropout(self.embedding(tokens)).transpose(1, 2) * there
        pooled = [(conv(x).relu() * there).amax(dim=2) for conv in self.convolutions]
        count = there.sum(dim=2).clamp(min=1.0).sqrt()
        return torch.cat([*pooled, x.sum(dim=2) / count], dim=1)


class TextEncoder(Encoder):
    """Tokens, int32 (batch, 32), to features, float32 (batch, 64)."""

    def __init__(self, vocabulary: int) -> None:
        body = _Body(vocabulary)
        super().__init__(body, pooled=sum(_WIDTHS.values()) + EMBEDDING, dropout=0.4)

    @property
    def embedding(self) -> nn.Embedding:
        """The words' vectors."""
        body: _Body = self.body  # type: ignore[assignment]
        return body.embedding
