"""Through which NIC a GPU leaves its host, and which GPU forwards to which rail."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from netmodel.errors import ModelError
from netmodel.graph import NODE_KINDS, TIERS, IntArray
from netmodel.network.arrays import Network, sorted_by
from netmodel.network.components import join
from netmodel.network.stage import Stage, groups_alike

BoolArray = npt.NDArray[np.bool_]
FAR = np.iinfo(np.int64).max
NVLINK, PCIE = TIERS["nvlink"], TIERS["pcie"]


@dataclass(frozen=True, eq=False)
class Ways:
    """The stages of a network and how they join.

    A message between GPUs of one scale-up domain stays in ``up``; between other GPUs of a host in
    ``host``; all others pass ``host``, ``out`` and ``host``.
    """

    network: Network

    @cached_property
    def up(self) -> Stage:
        """NVLink, xGMI, ICI: GPUs to GPUs, which pass traffic on.

        Where GPUs that are cabled to each other also lead to switches themselves (HammingMesh),
        those switches belong to the same stage.
        """
        gpus, links = self.network.gpus, self._links(NVLINK)
        if len(links) and np.isin(self.ports, gpus).any():
            links = np.union1d(links, self._links(2, max(TIERS.values())))
        everyone = np.ones(self.network.n_nodes, bool)
        return Stage(self.network, links, gpus, np.arange(len(gpus)), everyone)

    @cached_property
    def host(self) -> Stage:
        """PCIe: GPUs and NICs, which pass nothing on."""
        ends = np.union1d(self.network.gpus, self.ports)
        return Stage(self.network, self._links(PCIE), ends, np.arange(len(ends)), self._devices())

    @cached_property
    def out(self) -> Stage:
        """Switches between hosts: ports to ports; those cabled alike are one group."""
        ports, links = self.ports, self._links(2, max(TIERS.values()))
        group = groups_alike(self.network, links, ports)
        return Stage(self.network, links, ports, group, self._devices())

    @cached_property
    def out_direct(self) -> Stage:
        """The same as ``out`` with the fewest cables between dragonfly groups on every path.

        One global hop is worth any two others, as in Kim et al. (ISCA 2008): local, global, local.
        """
        out, cables = self.out, self.network.wiring.cables
        between = [np.full(len(group.a), group.tier == "global") for group in cables]
        far = np.tile(np.concatenate([np.zeros(0, bool), *between]), 2)[out.links]
        return replace(out, cost=np.where(far, 3, 1)) if far.any() else out

    def on(self, network: Network) -> Ways:
        """Return the ways of a network of the same nodes and links of which some are broken.

        Stages that are whole are taken over with all that is known of them.
        """
        found, was = Ways(network), self.network
        hit = np.flatnonzero((network.layer != was.layer) | (network.capacity != was.capacity))
        for name in ("up", "host"):
            stage = getattr(self, name)
            if not np.isin(hit, stage.links).any():
                vars(found)[name] = stage
        return found

    def _links(self, low: int, high: int | None = None) -> IntArray:
        """Return the links of some layers."""
        layer = self.network.layer
        return np.flatnonzero((layer >= low) & (layer <= (low if high is None else high)))

    def _devices(self) -> BoolArray:
        """Say which nodes are neither GPU nor NIC."""
        ends = [NODE_KINDS.index("gpu"), NODE_KINDS.index("nic")]
        switching: BoolArray = ~np.isin(self.network.kind, ends)
        return switching

    @cached_property
    def ports(self) -> IntArray:
        """NICs (and GPUs cabled to switches themselves) with a cable out of the host."""
        outside = self.network.layer >= 2
        ends = np.unique(self.network.source[outside])
        return ends[~self._devices()[ends]]

    @cached_property
    def domain(self) -> IntArray:
        """Scale-up domain of each rank."""
        return self.up.component[self.network.gpus]

    @cached_property
    def chassis(self) -> IntArray:
        """Host of each rank: what PCIe (or the ``node`` attribute) keeps together."""
        return self.host.component[self.network.gpus]

    @cached_property
    def home(self) -> IntArray:
        """Number of the smallest set of ranks that neither NVLink nor PCIe leaves."""
        first = np.unique(self.chassis, return_index=True, return_inverse=True)
        domain = np.unique(self.domain, return_inverse=True)[1].astype(int)
        return join(domain, np.arange(len(self.chassis)), first[1][first[2]])

    @cached_property
    def _nearest(self) -> tuple[IntArray, IntArray]:
        """Hops from each rank to the endpoints of its host, far for all but ports; their nodes."""
        gpus, stage = self.network.gpus, self.host
        node_at = np.full((int(stage.component.max()) + 1, stage.width), -1)
        node_at[stage.component[stage.endpoints], stage.column] = stage.endpoints
        near = stage.distance[stage.lump[gpus]].astype(int)
        table = node_at[stage.component[gpus]]
        is_port = np.zeros(self.network.n_nodes + 1, bool)
        is_port[self.ports] = True
        near[~is_port[table] | (near < 0)] = FAR
        return near, table

    @cached_property
    def gate(self) -> IntArray:
        """Rank through whose NICs each rank leaves its host: itself, if PCIe leads it to one.

        Raises
        ------
        ModelError
            When neither a GPU nor any that it reaches over NVLink has a way out.
        """
        leads = self._nearest[0].min(axis=1, initial=FAR) < FAR
        ranks = np.arange(len(leads))
        first = np.full(int(self.domain.max()) + 1, -1)
        first[self.domain[leads][::-1]] = ranks[leads][::-1]
        found: IntArray = np.where(leads, ranks, first[self.domain])
        lost = np.flatnonzero(found < 0)
        if len(lost):
            name = self.network.wiring.names([self.network.gpus[lost[0]]])[0]
            more = f" and {len(lost) - 1} other GPUs" if len(lost) > 1 else ""
            raise ModelError(
                f"{name}{more} reach no NIC",
                where=f"fabric {self.network.wiring.name!r}",
                remedy="Give each host a working NIC on its PCIe, or leave those hosts out.",
            )
        return found

    @cached_property
    def port(self) -> IntArray:
        """Ports of each rank [gpus, most ports of a GPU], -1 where it has fewer.

        A GPU uses the nearest NICs of its host. GPUs that have the same ones nearest divide them,
        in order; where there are fewer NICs than GPUs they take turns. Who has none of its own
        borrows one; who reaches none at all has those of its gate.
        """
        gate = self.gate
        near, table = (each[gate] for each in self._nearest)
        least = np.full(self.network.n_nodes + 1, FAR)
        np.minimum.at(least, table, near)
        chosen = near == near.min(axis=1)[:, None]
        owns = (chosen & (least[table] == near)).any(axis=1)
        turn = np.arange(len(near)) % chosen.sum(axis=1)
        borrowed = chosen & (np.cumsum(chosen, axis=1) - 1 == turn[:, None])
        return _shared_out(np.where(owns[:, None], chosen, borrowed), table)[gate]

    def port_at(self, ranks: IntArray, turn: int) -> IntArray:
        """Return the port that ranks use for their first, second, ... part of a message."""
        count = np.maximum((self.port >= 0).sum(axis=1), 1)
        used: IntArray = self.port[ranks, turn % count[ranks]]
        return used

    @cached_property
    def rail(self) -> IntArray:
        """Rail of each rank's first port: its ``rail`` attribute, else its place in the host."""
        rails = self.network.wiring.attribute("rail", -1.0).astype(int)
        home = self.host.component[self.ports]
        order, first = sorted_by(home, int(home.max(initial=-1)) + 1)
        place = np.zeros(self.network.n_nodes, int)
        place[self.ports[order]] = np.arange(len(order)) - first[home[order]]
        first_port = self.port[:, 0]
        return np.where(rails[first_port] >= 0, rails[first_port], place[first_port])

    @cached_property
    def forwarder(self) -> IntArray:
        """Rank that sends for each rank to each rail [gpus, rails]; itself where none does.

        A GPU of the same host is taken before others of the same scale-up domain.
        """
        rails = int(self.rail.max(initial=-1)) + 1
        ranks, own = np.arange(len(self.rail)), self.gate == np.arange(len(self.rail))
        found = np.repeat(self.gate[:, None], rails, axis=1)
        for home in (self.domain, self.domain * (int(self.chassis.max()) + 1) + self.chassis):
            _, number = np.unique(home, return_inverse=True)
            table = np.full((int(number.max()) + 1, rails), -1)
            table[number[own][::-1], self.rail[own][::-1]] = ranks[own][::-1]
            found = np.where(table[number] >= 0, table[number], found)
        found[ranks, self.rail] = self.gate
        return found

    def relays(
        self, source: IntArray, target: IntArray, *, forward: bool
    ) -> tuple[IntArray, IntArray]:
        """Return the ranks that send and receive between hosts for messages of others.

        Without forwarding they are the gates. With it, the sender is the neighbour on the
        target's rail; where the source's host has lost that
        rail and no switch leads across, the target's neighbour on the sender's rail receives.
        """
        receiver = self.gate[target]
        if not forward:
            return self.gate[source], receiver
        sender = self.forwarder[source, self.rail[target]]
        odd = np.flatnonzero(self.rail[sender] != self.rail[target])
        if len(odd):
            start, goal = self.port[sender[odd], 0], self.port[target[odd], 0]
            odd = odd[self.out.hops(start, self.out.group_of[goal]) < 0]
            receiver[odd] = self.forwarder[target[odd], self.rail[sender[odd]]]
        return sender, receiver

    @cached_property
    def is_railed(self) -> bool:
        """Whether GPUs of one scale-up domain leave through differently cabled ports."""
        groups = self.out.group_of[self.port[:, 0]]
        low = np.full(int(self.domain.max()) + 1, np.iinfo(np.int64).max)
        np.minimum.at(low, self.domain, groups)
        return bool((low[self.domain] != groups).any())


def _shared_out(near: BoolArray, table: IntArray) -> IntArray:
    """Divide the nearest ports of each GPU among the GPUs that have the same ones.

    Parameters
    ----------
    near : bool array [gpus, columns]
        Which of the host's endpoints are nearest ports.
    table : int array [gpus, columns]
        Their nodes.
    """
    count = near.sum(axis=1)
    order = np.argsort(~near, axis=1, kind="stable")[:, : int(count.max())]
    nodes = np.take_along_axis(table, order, axis=1)
    nodes[np.arange(nodes.shape[1]) >= count[:, None]] = -1
    _, cluster = np.unique(nodes, axis=0, return_inverse=True)
    cluster = cluster.reshape(-1)
    ranked, first = sorted_by(cluster, int(cluster.max()) + 1)
    place = np.empty(len(cluster), int)
    place[ranked] = np.arange(len(cluster)) - first[cluster[ranked]]
    sharers = np.diff(first)[cluster]
    each = np.maximum(count // sharers, 1)
    begin = np.where(count >= sharers, place * each, place % count)
    take = begin[:, None] + np.arange(int(each.max()))
    found = np.take_along_axis(nodes, np.minimum(take, nodes.shape[1] - 1), axis=1)
    return np.where(np.arange(int(each.max())) < each[:, None], found, -1)
