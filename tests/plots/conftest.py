"""A small fabric and made-up steps, for figures of known content."""

from dataclasses import dataclass, field

import numpy as np
import pytest
from netmodel.graph import Block, Cables, Wiring


def wire(hosts: int = 4, *, oversubscription: int = 1) -> Wiring:
    """Hosts of 8 GPUs and 8 NICs on rails of two leaves, four spines."""
    n = 8 * hosts
    node = np.repeat(np.arange(hosts), 8)
    rail = np.tile(np.arange(8), hosts)
    blocks = (
        Block(kind="gpu", shape=(hosts, 8), label="host{0}-gpu{1}", attributes={"node": node}),
        Block(
            kind="nvswitch",
            shape=(hosts,),
            label="host{0}-nvswitch",
            attributes={"node": np.arange(hosts)},
        ),
        Block(kind="nic", shape=(hosts, 8), label="host{0}-nic{1}", attributes={"node": node}),
        Block(kind="leaf", shape=(8,), label="leaf{0}"),
        Block(kind="spine", shape=(4,), label="spine{0}"),
    )
    gpu, nvswitch, nic, leaf, spine = np.cumsum([0, *(block.size for block in blocks)])[:-1]
    each = np.arange(n)
    up, down = (side.ravel() for side in np.meshgrid(np.arange(8), np.arange(4), indexing="ij"))
    rate = 50e9 * hosts / 4 / oversubscription

    def cables(a, b, bandwidth, tier, link):
        return Cables(a=a, b=b, bandwidth=bandwidth, latency=1e-6, cables=1, link=link, tier=tier)

    return Wiring(
        name="toy",
        blocks=blocks,
        cables=(
            cables(gpu + each, nvswitch + node, 450e9, "nvlink", "NVLink4"),
            cables(gpu + each, nic + each, 64e9, "pcie", "PCIe5"),
            cables(nic + each, leaf + rail, 50e9, "host-leaf", "IB-NDR"),
            cables(leaf + up, spine + down, rate, "leaf-spine", "IB-NDR"),
        ),
    )


@dataclass
class Point:
    """What a figure reads of a step."""

    gpus: int
    breakdown: dict[str, float]
    bottleneck: dict[str, str] = field(default_factory=lambda: {"tier": "leaf"})

    @property
    def step_time(self) -> float:
        """Sum of the parts [s]."""
        return sum(self.breakdown.values())

    @property
    def tokens_per_s_per_gpu(self) -> float:
        """One million tokens a step."""
        return 1e6 / self.step_time / self.gpus


@dataclass
class Measured:
    """One published point."""

    gpus: int
    efficiency: float


@dataclass
class Curve:
    """What a figure reads of a scaling study."""

    points: list[Point]
    measured: list[Measured] = field(default_factory=list)
    model: str = "toy-model"
    setting: str = "made up"
    caption: str = "Model toy-model. Fabric toy. Source: made up."

    @property
    def efficiency(self) -> list[float]:
        """Against the first point."""
        first = self.points[0].tokens_per_s_per_gpu
        return [point.tokens_per_s_per_gpu / first for point in self.points]


def made_up() -> Curve:
    """Six sizes; the bubble grows until it limits."""
    points = [
        Point(
            gpus=8 << k,
            breakdown={
                "compute_attention": 6.0 / 2**k,
                "compute_mlp": 9.0 / 2**k,
                "ep_dispatch": 0.8 / 2**k,
                "dp_all_reduce": 0.1,
                "bubble": 0.3,
                "optimizer": 0.05,
            },
            bottleneck={"tier": "nvlink" if k < 3 else "leaf"},
        )
        for k in range(6)
    ]
    return Curve(points, measured=[Measured(32, 0.9)])


@pytest.fixture
def fabric():
    """Make the toy fabric of so many hosts."""
    return wire


@pytest.fixture
def curve():
    """A made-up scaling study of six sizes and one published point."""
    return made_up()
