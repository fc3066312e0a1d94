"""What the three encoders have in common: a body that pools its input, and two sets of features from it.

The first features tell emotions. The last few tell damage; they are learnt afterwards, with everything else standing
still, so that learning them costs the emotions nothing.
"""

import torch
from torch import Tensor, nn

DIM = 64
"""Floats in every encoder's feature vector."""
DAMAGE = 4
"""So many of them, the last, tell ruined inputs."""
EMOTION = DIM - DAMAGE


class Encoder(nn.Module):
    """A body's pooled (batch, pooled) to features, float32 (batch, DIM)."""

    def __init__(self, body: nn.Module, pooled: int, dropout: float) -> None:
        super().__init__()
        self.body = body
        self.emotion = nn.Sequential(nn.Dropout(dropout), nn.Linear(pooled, EMOTION))
        self.damage = nn.Sequential(nn.Linear(pooled, 24), nn.ReLU(), nn.Linear(24, DAMAGE))

    def forward(self, x: Tensor) -> Tensor:
        pooled = self.body(x)
        return torch.cat([self.emotion(pooled), self.damage(pooled)], dim=1)
