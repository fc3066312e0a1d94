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

    def __init__(self, body: nn.Module, pooled: int, dropout: float, damage: nn.Module | None = None) -> None:
        """
        Args:
            damage: from what shows damage (see :meth:`seen`) to (batch, DAMAGE); None: a small net on the pooled.
        """
        super().__init__()
        self.body = body
        self.emotion = nn.Sequential(nn.Dropout(dropout), nn.Linear(pooled, EMOTION))
        self.damage = damage or nn.Sequential(nn.Linear(pooled, 24), nn.ReLU(), nn.Linear(24, DAMAGE))

    def forward(self, x: Tensor) -> Tensor:
        pooled, shows_damage = self.seen(x)
        return torch.cat([self.emotion(pooled), self.damage(shows_damage)], dim=1)

    def seen(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """What tells emotions, (batch, pooled), and what shows damage: here the same."""
        pooled = self.body(x)
        return pooled, pooled
