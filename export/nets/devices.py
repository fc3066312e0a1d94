"""Where training runs: processes on this machine, GPUs where there are any, and other nodes."""

from dataclasses import dataclass
from typing import Any

import lightning
import torch


@dataclass(frozen=True)
class Devices:
    """How many devices a node, and how many nodes; on a machine without GPU a device is a process on the CPU."""

    devices: int = 1
    nodes: int = 1

    @property
    def processes(self) -> int:
        """All of them, on all nodes."""
        return self.devices * self.nodes


ONE_DEVICE = Devices()


def trainer(devices: Devices, epochs: int, **more: Any) -> lightning.Trainer:
    """A Lightning trainer that keeps nothing on disk; gradients go over gloo between CPUs, NCCL between GPUs.

    On one machine without GPU the processes are forked, so that they share the features in memory. On GPUs or
    several nodes, start the command once a process (``torchrun`` or SLURM), as Lightning documents.
    """
    gpu = torch.cuda.is_available()
    strategy = "auto" if devices.processes == 1 else "ddp" if gpu or devices.nodes > 1 else "ddp_fork"
    return lightning.Trainer(
        max_epochs=epochs,
        accelerator="gpu" if gpu else "cpu",
        devices=devices.devices,
        num_nodes=devices.nodes,
        strategy=strategy,
        logger=False,
        enable_checkpointing=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,  # WholeBatches shares out the samples
        log_every_n_steps=10,
        **more,
    )
