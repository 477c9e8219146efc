import pytest
from netmodel.collectives import Library, library
from netmodel.network.tiers import Tiers


@pytest.fixture
def pod() -> Tiers:
    """DGX H100 nodes on a three-tier InfiniBand fabric of 65,536 GPUs."""
    return Tiers(
        names=("nvlink", "leaf", "spine", "core"),
        unit=(8, 256, 8192, 65536),
        bandwidth=(450e9, 50e9, 50e9, 50e9),
        latency=(0.6e-6, 4.8e-6, 5.7e-6, 6.6e-6),
        links=("NVLink4", "InfiniBand-NDR", "InfiniBand-NDR", "InfiniBand-NDR"),
    )


@pytest.fixture
def hopper() -> Library:
    return library("hopper", "NVLink4", "InfiniBand-NDR")
