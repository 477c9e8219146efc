"""The algorithm and protocol chosen are those that NCCL is known to run."""

import numpy as np
import pytest
from netmodel.collectives import Operation, library, time
from netmodel.network.tiers import Tiers

KIB, MIB, GIB = 2.0**10, 2.0**20, 2.0**30


def chosen(kind, size, ranks, span, lib):
    found = time(Operation(kind=kind, size=size, ranks=ranks), span, lib)
    return found.algorithm, found.protocol


@pytest.mark.parametrize("size", [8.0, 64 * KIB, 512 * KIB, MIB])
def test_eight_h100_reduce_by_ring_ll_up_to_one_mebibyte(size, pod, hopper):
    """Seen on DGX H100: a flat plateau to 512 KiB and 27 us at 1 MiB."""
    assert chosen("all_reduce", size, 8, pod.span(8), hopper) == ("ring", "ll")


@pytest.mark.parametrize("size", [2 * MIB, 64 * MIB, 16 * GIB])
def test_eight_h100_reduce_by_nvls_from_two_mebibytes(size, pod, hopper):
    assert chosen("all_reduce", size, 8, pod.span(8), hopper) == ("nvls", "simple")


@pytest.mark.parametrize("ranks", [2, 3, 4])
def test_up_to_four_gpus_stay_on_rings(ranks, pod, hopper):
    names = time(
        Operation(kind="all_reduce", size=2.0 ** np.arange(3, 35), ranks=ranks),
        pod.span(ranks),
        hopper,
    ).algorithm
    assert set(names.tolist()) == {"ring"}


@pytest.mark.parametrize("ranks", [16, 32, 256, 4096])
def test_small_messages_between_nodes_go_up_a_tree(ranks, pod, hopper):
    assert chosen("all_reduce", KIB, ranks, pod.span(ranks), hopper) == ("tree", "ll")


def test_large_messages_on_four_nodes_go_round_a_ring(pod, hopper):
    assert chosen("all_reduce", 8 * GIB, 32, pod.span(32), hopper) == ("ring", "simple")


def test_large_messages_on_two_nodes_go_over_the_nvls_tree(pod, hopper):
    """Only a tree can exceed the NIC rate there, and measured two-node runs do."""
    assert chosen("all_reduce", 8 * GIB, 16, pod.span(16), hopper) == ("nvls_tree", "simple")


def test_a100_has_no_multicast(pod):
    lib = library("ampere", "NVLink3", "InfiniBand-HDR")
    for ranks in (8, 64):
        found = time(
            Operation(kind="all_reduce", size=2.0 ** np.arange(3, 35), ranks=ranks),
            pod.span(ranks),
            lib,
        )
        assert set(found.algorithm.tolist()) <= {"ring", "tree"}


@pytest.mark.parametrize("kind", ["all_gather", "reduce_scatter", "broadcast"])
def test_gathers_and_broadcasts_go_round_a_ring(kind, pod, hopper):
    for ranks in (2, 8, 64):
        assert chosen(kind, 64 * MIB, ranks, pod.span(ranks), hopper)[0] == "ring"


def test_the_protocols_follow_each_other_as_messages_grow(pod, hopper):
    found = time(
        Operation(kind="all_gather", size=2.0 ** np.arange(3, 35), ranks=8), pod.span(8), hopper
    )
    order = list(dict.fromkeys(found.protocol.tolist()))
    assert order == ["ll", "ll128", "simple"]


def test_peers_get_ll_up_to_sixteen_kibibytes_each(pod, hopper):
    assert chosen("all_to_all", 8 * 16 * KIB, 8, pod.span(8), hopper) == ("pairwise", "ll")
    assert chosen("all_to_all", 9 * 16 * KIB, 8, pod.span(8), hopper) == ("pairwise", "simple")
    assert chosen("send_recv", 32 * KIB, 2, pod.span(2), hopper) == ("p2p", "simple")


def test_cards_on_pcie_never_use_ll128():
    """LL128 needs stores of 128 bytes that arrive whole, which PCIe does not promise."""
    tiers = Tiers(
        names=("pcie",), unit=(8,), bandwidth=(31e9,), latency=(1e-6,), links=("PCIe4x16",)
    )
    found = time(
        Operation(kind="all_reduce", size=2.0 ** np.arange(3, 35), ranks=8),
        tiers.span(8),
        library("ada", "PCIe4x16"),
    )
    assert set(found.protocol.tolist()) == {"ll", "simple"}


def test_sharp_is_used_where_the_network_reduces(pod):
    lib = library("hopper", "NVLink4", "InfiniBand-NDR", in_network=True)
    assert chosen("all_reduce", GIB, 96, pod.span(96), lib)[0] == "collnet"


def test_no_nvls_tree_joins_more_than_two_racks():
    """1,440 GB200 behave as a tree for small and a ring for large messages."""
    racks = Tiers(
        names=("nvlink", "leaf"),
        unit=(72, 1440),
        bandwidth=(900e9, 50e9),
        latency=(0.6e-6, 4.8e-6),
        links=("NVLink5", "InfiniBand-NDR"),
    )
    lib = library("blackwell", "NVLink5", "InfiniBand-NDR")
    assert chosen("all_reduce", 0.5 * GIB, 1440, racks.span(1440), lib)[0] == "tree"
    assert chosen("all_reduce", 16 * GIB, 1440, racks.span(1440), lib)[0] == "ring"
    assert chosen("all_reduce", GIB, 144, racks.span(144), lib)[0] == "nvls_tree"
