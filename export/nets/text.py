"""The text encoder: word vectors, three widths of convolution, maximum over time, and the vectors' own mean."""

import torch
from torch import Tensor, nn

from edge.perceive.tokens import PAD
from export.nets.face import DIM

EMBEDDING = 64
"""The first 50 start from GloVe 6B's smallest vectors where it has the word."""

_WIDTHS = {1: 64, 3: 128, 5: 64}


class TextEncoder(nn.Module):
    """Tokens, int32 (batch, 32), to features, float32 (batch, 64)."""

    def __init__(self, vocabulary: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, EMBEDDING, padding_idx=PAD)
        self.dropout = nn.Dropout(0.3)
        self.convolutions = nn.ModuleList(
            [nn.Conv1d(EMBEDDING, channels, width, padding=width // 2) for width, channels in _WIDTHS.items()]
        )
        self.project = nn.Sequential(nn.Dropout(0.4), nn.Linear(sum(_WIDTHS.values()) + EMBEDDING, DIM))

    def forward(self, tokens: Tensor) -> Tensor:
        there = (tokens != PAD).float()[:, None]
        x = self.dropout(self.embedding(tokens)).transpose(1, 2) * there
        pooled = [(conv(x).relu() * there).amax(dim=2) for conv in self.convolutions]
        count = there.sum(dim=2).clamp(min=1.0).sqrt()
        features: Tensor = self.project(torch.cat([*pooled, x.sum(dim=2) / count], dim=1))
        return features
