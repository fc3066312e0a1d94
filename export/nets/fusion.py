"""The memory fusion network of M3ER as one step: an LSTM per modality, delta-memory attention, gated memory.

After Zadeh et al., Memory Fusion Network (AAAI 2018), the backbone that M3ER names. One step is one small graph
without loops; the state goes in and comes out.
"""

import torch
from torch import Tensor, nn

from edge.reading import MODALITIES
from export.nets.encoder import DIM

HIDDEN = 32
MEMORY = 64
STATE_SIZES = {"hidden": len(MODALITIES) * HIDDEN, "cell": len(MODALITIES) * HIDDEN, "memory": MEMORY}


class LstmCell(nn.Module):
    """An LSTM cell from plain products, so that every converter writes the same small graph."""

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        self.gates = nn.Linear(inputs + hidden, 4 * hidden)
        nn.init.orthogonal_(self.gates.weight)
        nn.init.zeros_(self.gates.bias)
        nn.init.ones_(self.gates.bias[hidden : 2 * hidden])  # remember at first

    def forward(self, x: Tensor, hidden: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
        i, f, o, g = self.gates(torch.cat([x, hidden], dim=1)).chunk(4, dim=1)
        cell = f.sigmoid() * cell + i.sigmoid() * g.tanh()
        return o.sigmoid() * cell.tanh(), cell


def two_layers(inputs: int, middle: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, middle), nn.ReLU(), nn.Dropout(0.2), nn.Linear(middle, outputs))


class FusionStep(nn.Module):
    """One step.

    Inputs: three standardised features, float32 (batch, 64), and the state: hidden and cell (batch, 96), memory
    (batch, 64). Outputs: joint logits (batch, classes), each modality's own (batch, 3, classes), the next state.
    """

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.cells = nn.ModuleList([LstmCell(DIM, HIDDEN) for _ in MODALITIES])
        both = 2 * STATE_SIZES["cell"]
        self.attend = two_layers(both, 48, both)
        self.propose = two_layers(both, 48, MEMORY)
        self.keep = two_layers(both + MEMORY, 48, MEMORY)
        self.update = two_layers(both + MEMORY, 48, MEMORY)
        self.joint = two_layers(STATE_SIZES["hidden"] + MEMORY, 64, classes)
        self.own = nn.ModuleList([nn.Linear(HIDDEN, classes) for _ in MODALITIES])

    def forward(
        self, face: Tensor, speech: Tensor, text: Tensor, hidden: Tensor, cell: Tensor, memory: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        hiddens, cells = [], []
        for lstm, x, h, c in zip(self.cells, (face, speech, text), hidden.chunk(3, 1), cell.chunk(3, 1), strict=True):
            h, c = lstm(x, h, c)
            hiddens.append(h)
            cells.append(c)
        next_hidden, next_cell = torch.cat(hiddens, dim=1), torch.cat(cells, dim=1)
        change = torch.cat([cell, next_cell], dim=1)  # the delta that the attention looks at
        attended = self.attend(change).softmax(dim=1) * change
        with_memory = torch.cat([attended, memory], dim=1)
        next_memory = (
            self.keep(with_memory).sigmoid() * memory
            + self.update(with_memory).sigmoid() * self.propose(attended).tanh()
        )
        joint = self.joint(torch.cat([next_hidden, next_memory], dim=1))
        own = torch.stack([head(h) for head, h in zip(self.own, hiddens, strict=True)], dim=1)
        return joint, own, next_hidden, next_cell, next_memory
