"""The text encoder: word vectors, two widths of convolution, maximum over time."""

import torch
from torch import Tensor, nn

from edge.perceive.tokens import PAD
from export.nets.face import DIM

EMBEDDING = 50
"""GloVe 6B's smallest width, so that its vectors can start the embedding."""


class TextEncoder(nn.Module):
    """Tokens, int32 (batch, 32), to features, float32 (batch, 64)."""

    def __init__(self, vocabulary: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, EMBEDDING, padding_idx=PAD)
        self.dropout = nn.Dropout(0.3)
        self.wide = nn.Conv1d(EMBEDDING, 96, 3, padding=1)
        self.narrow = nn.Conv1d(EMBEDDING, 64, 1)
        self.project = nn.Sequential(nn.Dropout(0.4), nn.Linear(160, DIM))

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.dropout(self.embedding(tokens)).transpose(1, 2)
        pooled = torch.cat([self.wide(x).relu().amax(dim=2), self.narrow(x).relu().amax(dim=2)], dim=1)
        features: Tensor = self.project(pooled)
        return features
