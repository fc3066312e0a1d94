"""The memory fusion network over whole sequences, for any number of modalities, each with features of its own size.

The same net as the step that ships (:mod:`export.nets.fusion`, after Zadeh et al., AAAI 2018) and with the same names
for its weights, for corpora that come as ready features. What does not depend on the memory is computed for all steps
at once, so that training on many short sequences is quick.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from export.nets.fusion import HIDDEN, MEMORY, LstmCell, two_layers


class MemoryFusion(nn.Module):
    """An LSTM a modality, delta-memory attention, gated memory, a joint head and a head a modality.

    Inputs: a list of M features, float32 (n, steps, size of the modality).
    Outputs: joint logits (n, steps, classes) and each modality's own (n, steps, M, classes).
    """

    def __init__(self, sizes: Sequence[int], classes: int, hidden: int = HIDDEN, memory: int = MEMORY) -> None:
        super().__init__()
        self.hidden, self.memory = hidden, memory
        self.cells = nn.ModuleList([LstmCell(size, hidden) for size in sizes])
        both = 2 * hidden * len(sizes)
        self.attend = two_layers(both, 48, both)
        self.propose = two_layers(both, 48, memory)
        self.keep = two_layers(both + memory, 48, memory)
        self.update = two_layers(both + memory, 48, memory)
        self.joint = two_layers(hidden * len(sizes) + memory, 64, classes)
        self.own = nn.ModuleList([nn.Linear(hidden, classes) for _ in sizes])

    def forward(self, features: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        hiddens, cells = self._lstms(features)  # both (steps, n, M, hidden)
        before = torch.cat([torch.zeros_like(cells[:1]), cells[:-1]])
        change = torch.cat([before.flatten(2), cells.flatten(2)], dim=2)  # the delta that the attention looks at
        attended = self.attend(change).softmax(dim=2) * change
        memory = self._memories(attended)
        joint = self.joint(torch.cat([hiddens.flatten(2), memory], dim=2))
        own = torch.stack([head(hiddens[:, :, m]) for m, head in enumerate(self.own)], dim=2)
        return joint.transpose(0, 1), own.transpose(0, 1)

    def _lstms(self, features: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Hidden and cell of every step, (steps, n, M, hidden)."""
        size = self.hidden
        given, recurrent = [], []
        for cell, x in zip(self.cells, features, strict=True):
            gates = cell.gates
            assert isinstance(gates, nn.Linear)
            given.append(nn.functional.linear(x.transpose(0, 1), gates.weight[:, :-size], gates.bias))
            recurrent.append(gates.weight[:, -size:].T)
        inputs, weight = torch.stack(given, dim=2), torch.stack(recurrent)  # (steps, n, M, 4 hidden), (M, hidden, …)
        hidden = remembered = inputs.new_zeros(*inputs.shape[1:3], size)
        hiddens, cells = [], []
        for step in inputs:
            i, f, o, g = (step + torch.einsum("nmh,mhg->nmg", hidden, weight)).chunk(4, dim=2)
            remembered = f.sigmoid() * remembered + i.sigmoid() * g.tanh()
            hidden = o.sigmoid() * remembered.tanh()
            hiddens.append(hidden)
            cells.append(remembered)
        return torch.stack(hiddens), torch.stack(cells)

    def _memories(self, attended: Tensor) -> Tensor:
        """The memory after every step, (steps, n, memory), from what was attended to, (steps, n, both)."""
        proposed = self.propose(attended).tanh()
        memory = attended.new_zeros(attended.shape[1], self.memory)
        memories = []
        for seen, new in zip(attended, proposed, strict=True):
            with_memory = torch.cat([seen, memory], dim=1)
            memory = self.keep(with_memory).sigmoid() * memory + self.update(with_memory).sigmoid() * new
            memories.append(memory)
        return torch.stack(memories)
