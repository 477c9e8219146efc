"""A cluster made by hand: two tiers, no file."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from netmodel import catalog
from netmodel.graph import Block, Cables, Wiring


@dataclass(frozen=True)
class HandMade:
    """Nodes of eight GPUs on NVSwitch, one NIC a GPU, one switch above all."""

    accelerator: catalog.Accelerator
    nvlink: float
    nic: float
    software: dict[str, Any] = field(default_factory=dict, hash=False)

    def wiring(self, gpus: int) -> Wiring:
        """Wire so many GPUs."""
        nodes = -(-gpus // 8)
        g = np.arange(nodes * 8)
        switch = nodes * 8 + g // 8
        nic = nodes * 9 + g
        leaf = np.full(nodes * 8, nodes * 17)
        return Wiring(
            name="hand-made",
            blocks=(
                Block(kind="gpu", shape=(nodes * 8,), label="gpu{0}"),
                Block(kind="nvswitch", shape=(nodes,), label="nvswitch{0}"),
                Block(kind="nic", shape=(nodes * 8,), label="nic{0}"),
                Block(kind="leaf", shape=(1,), label="leaf{0}"),
            ),
            cables=(
                Cables(a=g, b=switch, bandwidth=self.nvlink, latency=3e-7, cables=1,
                       link="NVLink4", tier="nvlink"),
                Cables(a=g, b=nic, bandwidth=64e9, latency=3e-7, cables=1,
                       link="PCIe5-x16", tier="pcie"),
                Cables(a=nic, b=leaf, bandwidth=self.nic, latency=5e-7, cables=1,
                       link="InfiniBand-NDR", tier="host-leaf"),
            ),
        )  # fmt: skip


@pytest.fixture(scope="session")
def hand_made():
    """Make a cluster of a GPU with the given network."""

    def make(gpu: str = "H100", *, nvlink: float = 450e9, nic: float = 50e9) -> HandMade:
        return HandMade(catalog.accelerator(gpu), nvlink, nic)

    return make
