"""Small fabrics wired by hand, so that this room's tests lean on no other room."""

from types import SimpleNamespace

import networkx as nx
import numpy as np
import pytest
from netmodel.graph import Block, Cables, Wiring, from_networkx

GB = 1e9


def join(made, a, b, tier, bandwidth, latency=0.0, cables=1):
    made.add_edge(
        a, b, tier=tier, bandwidth=bandwidth, latency=latency, cables=cables, link=f"{tier}-cable"
    )


def add_host(made, host, gpus=4, nics=4, nvlink=200 * GB, pcie=64 * GB):
    """Add a host: NVSwitch, two sockets, a PCIe switch for every two GPUs, NICs shared evenly."""
    for g in range(gpus):
        made.add_node(f"n{host}-gpu{g}", kind="gpu", node=host)
    for s in range(2):
        made.add_node(f"n{host}-cpu{s}", kind="cpu", node=host)
    join(made, f"n{host}-cpu0", f"n{host}-cpu1", "pcie", pcie, 1e-7)
    if nvlink:
        made.add_node(f"n{host}-nvs", kind="nvswitch", node=host, latency=2e-7)
    for p in range(gpus // 2):
        made.add_node(f"n{host}-pcie{p}", kind="pcie_switch", node=host, latency=1e-7)
        join(made, f"n{host}-pcie{p}", f"n{host}-cpu{2 * p * 2 // gpus}", "pcie", pcie, 1e-7)
    for g in range(gpus):
        if nvlink:
            join(made, f"n{host}-gpu{g}", f"n{host}-nvs", "nvlink", nvlink, 1e-7)
        join(made, f"n{host}-gpu{g}", f"n{host}-pcie{g // 2}", "pcie", pcie, 1e-7)
    for i in range(nics):
        made.add_node(f"n{host}-nic{i}", kind="nic", node=host, latency=6e-7, rail=i)
        join(made, f"n{host}-nic{i}", f"n{host}-pcie{i * (gpus // 2) // nics}", "pcie", pcie, 1e-7)


def leaf_spine(hosts=8, per_leaf=4, spines=2, gpus=4, nics=4, *, rail=False, up=None, **host):
    """Two tiers; ``up`` is the bandwidth of one leaf-spine edge, by default non-blocking."""
    made = nx.Graph(name="leaf-spine")
    groups = -(-hosts // per_leaf)
    leaves = [f"leaf-{g}-{r}" for g in range(groups) for r in range(nics if rail else 1)]
    for h in range(hosts):
        add_host(made, h, gpus, nics, **host)
    for leaf in leaves:
        made.add_node(leaf, kind="leaf", latency=3e-7)
    down = per_leaf * (1 if rail else nics) * 50 * GB
    for s in range(spines):
        made.add_node(f"spine-{s}", kind="spine", latency=3e-7)
        for leaf in leaves:
            join(made, leaf, f"spine-{s}", "leaf-spine", up or down / spines, 1e-7)
    for h in range(hosts):
        for i in range(nics):
            leaf = f"leaf-{h // per_leaf}-{i if rail else 0}"
            join(made, f"n{h}-nic{i}", leaf, "host-leaf", 50 * GB, 2e-8)
    return made


def three_tier(k=4):
    """Wire a k-ary fat tree with one GPU a host and one NIC."""
    made = nx.Graph(name="fat-tree")
    half = k // 2
    for h in range(k**3 // 4):
        made.add_node(f"gpu{h}", kind="gpu", node=h)
        made.add_node(f"nic{h}", kind="nic", node=h)
        join(made, f"gpu{h}", f"nic{h}", "pcie", 64 * GB, 1e-7)
    for kind, count in (("leaf", k * half), ("spine", k * half), ("core", half * half)):
        for i in range(count):
            made.add_node(f"{kind}-{i}", kind=kind, latency=3e-7)
    for h in range(k**3 // 4):
        join(made, f"nic{h}", f"leaf-{h // half}", "host-leaf", 50 * GB, 2e-8)
    for leaf in range(k * half):
        for j in range(half):
            spine = leaf // half * half + j
            join(made, f"leaf-{leaf}", f"spine-{spine}", "leaf-spine", 50 * GB, 1e-7)
    for spine in range(k * half):
        for j in range(half):
            core = spine % half * half + j
            join(made, f"spine-{spine}", f"core-{core}", "spine-core", 50 * GB, 1e-7)
    return made


def mesh(gpus=8, bandwidth=64 * GB):
    """One host whose GPUs are all cabled to each other."""
    made = nx.Graph(name="mesh")
    made.add_nodes_from((f"gpu{g}", {"kind": "gpu", "node": 0}) for g in range(gpus))
    for a in range(gpus):
        for b in range(a):
            join(made, f"gpu{a}", f"gpu{b}", "xgmi", bandwidth, 1e-6)
    return made


def pcie_box(bandwidth=32 * GB):
    """Eight GPUs without NVLink: four PCIe switches with one uplink each, two sockets, one NIC."""
    made = nx.Graph(name="box")
    add_host(made, 0, 8, 1, nvlink=None, pcie=bandwidth)
    add_host(made, 1, 8, 1, nvlink=None, pcie=bandwidth)
    made.add_node("leaf-0", kind="leaf", latency=3e-7)
    for h in range(2):
        join(made, f"n{h}-nic0", "leaf-0", "host-leaf", 25 * GB, 2e-8)
    return made


def torus(shape=(4, 4, 4), bandwidth=50 * GB, wrap=True) -> Wiring:
    """GPUs cabled to their neighbours along each axis."""
    index = np.arange(int(np.prod(shape))).reshape(shape)
    a, b = [], []
    for axis, extent in enumerate(shape):
        there = np.roll(index, -1, axis)
        keep = np.ones(shape, bool)
        if not wrap or extent == 2:
            keep[
                tuple(slice(-1, None) if x == axis else slice(None) for x in range(len(shape)))
            ] = 0
        a.append(index[keep])
        b.append(there[keep])
    return Wiring(
        name="torus",
        blocks=(
            Block(
                kind="gpu",
                shape=shape,
                label="chip" + "-".join(f"{{{i}}}" for i in range(len(shape))),
            ),
        ),
        cables=(
            Cables(
                a=np.concatenate(a),
                b=np.concatenate(b),
                bandwidth=bandwidth,
                latency=1e-6,
                cables=1,
                link="ici",
                tier="ici",
            ),
        ),
    )


def dragonfly(p=2, a=4, h=2, groups=9):
    """Wire groups of a routers, p GPUs (each with a NIC) and h global ports a router."""
    made = nx.Graph(name="dragonfly")
    for n in range(p * a * groups):
        made.add_node(f"gpu{n}", kind="gpu", node=n)
    for n in range(p * a * groups):
        made.add_node(f"nic{n}", kind="nic", node=n)
        join(made, f"gpu{n}", f"nic{n}", "pcie", 100 * GB, 1e-7)
    for g in range(groups):
        for r in range(a):
            made.add_node(f"router-{g}-{r}", kind="router", latency=3e-7, group=g)
    for n in range(p * a * groups):
        router = f"router-{n // (p * a)}-{n // p % a}"
        join(made, f"nic{n}", router, "host-leaf", 25 * GB, 2e-8)
    for g in range(groups):
        for r in range(a):
            for s in range(r):
                join(made, f"router-{g}-{r}", f"router-{g}-{s}", "local", 25 * GB, 5e-8)
        for port in range(min(a * h, groups - 1)):
            other = (g + port + 1) % groups
            back = (g - other - 1) % groups
            if g < other:
                ends = f"router-{g}-{port // h}", f"router-{other}-{back // h}"
                join(made, *ends, "global", 25 * GB, 5e-7)
    return made


@pytest.fixture(scope="session")
def fabric() -> SimpleNamespace:
    """Builders of small fabrics, as networkx graphs (``torus`` as a wiring)."""
    return SimpleNamespace(
        leaf_spine=leaf_spine,
        three_tier=three_tier,
        mesh=mesh,
        pcie_box=pcie_box,
        torus=torus,
        dragonfly=dragonfly,
        wire=from_networkx,
        join=join,
    )
