"""What is broken: cables, ports, NICs, switches, planes, GPUs, by pattern.

================================ ================================================================
``leaf-03:spine-07``             all cables between two nodes, either way round; ``*`` and ``?``
                                 stand for any characters on both sides
``1 of leaf-03:spine-07``        one of the parallel cables of each such bundle
``spine-07``, ``node0003-nic*``  nodes and whatever hangs on them
``plane=2``                      nodes that bear an attribute: switches and NICs of a plane or
                                 rail; with ``node=3`` a whole host
``random cables 5% seed 1``      a share (or a number) of the cables between hosts and switches;
                                 also of a tier (``random leaf-spine 3``) or of nodes of a kind
                                 (``random nics 2% seed 7``)
``... at 50%``                   not dead, but at that part of its bandwidth
================================ ================================================================

A dead node leaves the fabric with its cables; a dead GPU leaves the job, and the ranks behind it
close up. Routes then take what remains; who has no way left is told by the question asked next.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from netmodel.errors import InputError, unknown_name
from netmodel.graph import (
    NODE_KINDS,
    SWITCH_KINDS,
    TIERS,
    Block,
    Cables,
    FloatArray,
    IntArray,
    Wiring,
)

if TYPE_CHECKING:
    from netmodel.network.arrays import Network

BoolArray = npt.NDArray[np.bool_]
SHAPE = re.compile(r"(?P<what>.+?)(?:\s+at\s+(?P<rest>[\d.]+)\s*%)?\s*$")
RANDOM = re.compile(
    r"random\s+(?P<kind>[\w-]+)\s+(?P<share>[\d.]+%|\d+)(?:\s+seed\s+(?P<seed>\d+))?$"
)
BUNDLE = re.compile(r"(?:(?P<count>\d+)\s+of\s+)?(?P<a>[^\s:]+):(?P<b>[^\s:]+)$")
KINDS = {
    plural: kind
    for kind in NODE_KINDS
    for plural in (kind, f"{kind}s", f"{kind}es", f"{kind[:-1]}ves")
}
ATTRIBUTE = re.compile(r"(?P<key>\w+)=(?P<value>[\w.-]+)$")


def apply(wiring: Wiring, patterns: str | Iterable[str]) -> Wiring:
    """Return a copy of the fabric in which everything that the patterns name is broken.

    Parameters
    ----------
    wiring : Wiring
        The sound fabric; it is not changed.
    patterns : str or iterable of str
        See the table at the top of this file; each finds its victims in the sound fabric.

    Returns
    -------
    Wiring
        What remains.

    Raises
    ------
    InputError
        When a pattern cannot be read or names nothing.
    """
    damage = Damage.none(wiring)
    for pattern in [patterns] if isinstance(patterns, str) else patterns:
        damage.inflict(wiring, pattern)
    return damage.remains(wiring)


def on_links(network: Network, patterns: Iterable[str]) -> Network | None:
    """Return the same nodes and links, of which those between hosts that are broken join nothing.

    None where something inside a host is hit: what remains is another fabric, see :func:`apply`.
    """
    wiring = network.wiring
    damage = Damage.none(wiring)
    for pattern in patterns:
        damage.inflict(wiring, pattern)
    edges = network.n_links // 2
    between = network.layer[:edges] >= TIERS["host-leaf"]
    dead = ~damage.alive
    left = np.where(dead[network.source] | dead[network.target], 0.0, np.tile(damage.cables, 2))
    hit = (damage.cables < 1) | (damage.speed < 1)
    alone = ("nic", *SWITCH_KINDS)
    if (hit & ~between).any() or not np.isin(network.kind[dead], _numbers(alone)).all():
        return None
    lives = (left > 0) | ~np.tile(between, 2)
    left = np.where(lives & np.tile(between, 2), left, 1.0)
    return replace(
        network,
        capacity=network.capacity * left * np.tile(damage.speed, 2),
        cables=np.maximum(np.rint(network.cables * left), 1).astype(int),
        layer=np.where(lives, network.layer, -1),
    )


def _numbers(kinds: Iterable[str]) -> list[int]:
    return [NODE_KINDS.index(kind) for kind in kinds]


@dataclass(eq=False)
class Damage:
    """What is left of each cable bundle and node.

    Attributes
    ----------
    cables : float array [edges]
        Part of the edge's cables that lives.
    speed : float array [edges]
        Part of their rate that they run at.
    alive : bool array [nodes]
        Whether the node lives.
    """

    cables: FloatArray
    speed: FloatArray
    alive: BoolArray

    @classmethod
    def none(cls, wiring: Wiring) -> Damage:
        """Start with a sound fabric."""
        edges = sum(len(group.a) for group in wiring.cables)
        return cls(np.ones(edges), np.ones(edges), np.ones(wiring.n_nodes, bool))

    def inflict(self, wiring: Wiring, pattern: str) -> None:
        """Break what a pattern names."""
        shape = SHAPE.match(pattern.strip())
        if shape is None:
            raise _unreadable(pattern)
        what, factor = shape["what"].strip(), 0.0
        if shape["rest"] is not None:
            factor = float(shape["rest"]) / 100
            if not 0 < factor <= 1:
                raise InputError(
                    f"{pattern!r} leaves {shape['rest']} % of the bandwidth",
                    remedy="Give a part above 0 % and up to 100 %, or leave it out for a failure.",
                )
        if what.startswith("random"):
            self._hit_random(wiring, what, factor)
        elif found := BUNDLE.match(what):
            self._hit_bundles(wiring, found, factor)
        elif found := ATTRIBUTE.match(what):
            self._hit_nodes(wiring, _bearing(wiring, found["key"], found["value"]), factor)
        elif re.search(r"\s", what):
            raise _unreadable(pattern)
        else:
            self._hit_nodes(wiring, _named(wiring, what), factor)

    def _hit_nodes(self, wiring: Wiring, nodes: IntArray, factor: float) -> None:
        if factor:
            hit = np.zeros(wiring.n_nodes, bool)
            hit[nodes] = True
            a, b = _ends(wiring)
            self.speed[hit[a] | hit[b]] *= factor
        else:
            self.alive[nodes] = False

    def _hit_bundles(self, wiring: Wiring, found: re.Match[str], factor: float) -> None:
        sides = []
        for side in (found["a"], found["b"]):
            chosen = np.zeros(wiring.n_nodes, bool)
            chosen[_named(wiring, side)] = True
            sides.append(chosen)
        a, b = _ends(wiring)
        hit = np.flatnonzero((sides[0][a] & sides[1][b]) | (sides[0][b] & sides[1][a]))
        if not len(hit):
            raise InputError(f"no cable joins {found['a']} and {found['b']}")
        self._hit_cables(wiring, hit, int(found["count"] or 0), factor)

    def _hit_cables(
        self, wiring: Wiring, edges: IntArray, count: int | IntArray, factor: float
    ) -> None:
        """Break ``count`` cables of each edge, or all of them when it is 0."""
        whole = _column(wiring, "cables")[edges]
        part = np.minimum(count / whole, 1.0) if np.any(count) else np.ones(len(edges))
        if factor:
            self.speed[edges] *= 1 - part * (1 - factor)
        else:
            self.cables[edges] = np.maximum(self.cables[edges] - part, 0.0)

    def _hit_random(self, wiring: Wiring, text: str, factor: float) -> None:
        found = RANDOM.match(text)
        if found is None:
            raise _unreadable(text)
        rng = np.random.default_rng(int(found["seed"] or 0))
        kind = found["kind"]
        if kind == "cables" or kind in TIERS:
            layer = np.concatenate([_tier(group, kind) for group in wiring.cables])
            bundle = _column(wiring, "cables").astype(int)
            single = np.repeat(np.flatnonzero(layer), bundle[layer])
            drawn = rng.choice(single, _number(found["share"], len(single)), replace=False)
            edges, count = np.unique(drawn, return_counts=True)
            if len(edges):
                self._hit_cables(wiring, edges, count, factor)
        elif kind in KINDS:
            nodes = wiring.of_kind(KINDS[kind])
            drawn = rng.choice(nodes, _number(found["share"], len(nodes)), replace=False)
            self._hit_nodes(wiring, drawn, factor)
        else:
            raise unknown_name("kind of cable or node", kind, ["cables", *TIERS, *NODE_KINDS])

    def remains(self, wiring: Wiring) -> Wiring:
        """Return the fabric that is left."""
        number = np.cumsum(self.alive) - 1
        cables, start = [], 0
        for group in wiring.cables:
            stop = start + len(group.a)
            left, speed = self.cables[start:stop], self.speed[start:stop]
            keep = (left > 0) & self.alive[group.a] & self.alive[group.b]
            n = len(group.a)
            bundle = np.broadcast_to(np.asarray(group.cables), n)
            cables.append(
                replace(
                    group,
                    a=number[group.a[keep]],
                    b=number[group.b[keep]],
                    bandwidth=(np.broadcast_to(group.bandwidth, n) * left * speed)[keep],
                    latency=np.broadcast_to(group.latency, n)[keep],
                    cables=np.maximum(np.rint(bundle * left), 1).astype(int)[keep],
                )
            )
            start = stop
        blocks = [
            _without(block, ~self.alive[first : first + block.size])
            for first, block in zip(wiring.starts, wiring.blocks, strict=False)
        ]
        return replace(wiring, blocks=tuple(b for b in blocks if b.size), cables=tuple(cables))


def _unreadable(pattern: str) -> InputError:
    return InputError(
        f"cannot read the fault {pattern!r}",
        remedy="Write 'leaf-03:spine-07', 'spine-*', 'plane=2' or 'random cables 5% seed 1', "
        "with ' at 50%' behind it for a slower one.",
    )


def _ends(wiring: Wiring) -> tuple[IntArray, IntArray]:
    """Return both ends of every edge."""
    none = np.zeros(0, int)
    return (
        np.concatenate([none, *(group.a for group in wiring.cables)]),
        np.concatenate([none, *(group.b for group in wiring.cables)]),
    )


def _column(wiring: Wiring, name: str) -> FloatArray:
    """Return one number of every edge."""
    groups = wiring.cables
    return np.concatenate(
        [np.zeros(0), *(np.broadcast_to(getattr(group, name), len(group.a)) for group in groups)]
    )


def _tier(group: Cables, kind: str) -> BoolArray:
    """Say for a group's edges whether ``random cables`` or ``random TIER`` means them."""
    meant = group.tier == kind or (kind == "cables" and TIERS[group.tier] >= TIERS["host-leaf"])
    return np.full(len(group.a), meant)


def _number(share: str, whole: int) -> int:
    """Turn ``5%`` or ``3`` into a number of victims."""
    count = round(float(share[:-1]) / 100 * whole) if share.endswith("%") else int(share)
    if count > whole:
        raise InputError(f"{share} is more than the {whole} there are")
    return count


def _named(wiring: Wiring, glob: str) -> IntArray:
    """Return the nodes whose name fits."""
    if glob in wiring.number:
        return np.array([wiring.number[glob]])
    names = wiring.names()
    fits = re.compile(fnmatch.translate(glob)).match
    found = [i for i, name in enumerate(names) if fits(name)]
    if not found:
        if any(sign in glob for sign in "*?["):
            raise InputError(f"no node's name fits {glob!r}")
        raise unknown_name("node", glob, names)
    return np.array(found)


def _bearing(wiring: Wiring, key: str, value: str) -> IntArray:
    """Return the nodes that have an attribute of this value; a rail or plane holds no GPU."""
    found, known = [], set()
    for start, block in zip(wiring.starts, wiring.blocks, strict=False):
        if key not in block.attributes or (block.kind == "gpu" and key in ("rail", "plane")):
            continue
        given = np.broadcast_to(np.asarray(block.attributes[key]), block.size)
        known |= {str(each) for each in np.unique(given)}
        found.append(start + np.flatnonzero(given.astype(str) == value))
    nodes = np.concatenate([np.zeros(0, int), *found])
    if not len(nodes):
        raise unknown_name(key, value, known or {"(no node bears it)"})
    return nodes


def _without(block: Block, dead: BoolArray) -> Block:
    """Return a block without some of its nodes; it loses its indices, the others their place."""
    if not dead.any():
        return block

    def kept(value: Any) -> Any:
        if isinstance(value, np.ndarray):
            return np.broadcast_to(value, block.size)[~dead]
        if isinstance(value, list | tuple):
            return [each for each, gone in zip(value, dead, strict=True) if not gone]
        return value

    return replace(
        block,
        shape=(int((~dead).sum()),),
        label=tuple(block.names(np.flatnonzero(~dead))),
        attributes={key: kept(value) for key, value in block.attributes.items()},
    )
