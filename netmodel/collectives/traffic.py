"""What an algorithm asks of the wires, and what that costs: the one engine for all of them.

An algorithm is a table of counts (:class:`Traffic`); :func:`price` turns counts into seconds with
a library's constants. Nothing else in this room computes a time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from netmodel.collectives.group import Group
from netmodel.collectives.library import Algorithm, Library, Protocol
from netmodel.numeric import both, choose, larger, power, smaller


@dataclass(frozen=True, slots=True)
class Traffic:
    """Counts of one operation under one algorithm; every number may be an array.

    Attributes
    ----------
    steps : float or array
        Hops inside scale-up domains, one after the other.
    hops : tuple
        Network hops one after the other, by tier.
    port : float or array
        Bytes through one GPU's scale-up port, the busier direction [B].
    egress : tuple
        Bytes that each GPU sends beyond the tier below, by network tier [B].
    copy : float or array
        Bytes that a rank moves inside its own memory, its own share of the result [B].
    handled : float or array, optional
        Bytes that the SMs move in all, own share and port together, where both go side by side [B].
    stages : float or array, optional
        Depth of a pipeline that has to fill before it flows.
    """

    steps: Any
    hops: tuple[Any, ...]
    port: Any
    egress: tuple[Any, ...]
    copy: Any = 0.0
    handled: Any = None
    stages: Any = None


@dataclass(frozen=True, slots=True)
class Price:
    """Seconds of one operation under one algorithm and protocol.

    Attributes
    ----------
    time : float or array
        All of it [s].
    launch, latency, bandwidth, ramp : float or array
        Its parts: fixed costs, steps and hops, bytes over wires, overhead growing with size [s].
    bottleneck : int or array
        Tier that carries the most of latency and bytes: 0 the domain, 1 the first network tier, ...
    """

    time: Any
    launch: Any
    latency: Any
    bandwidth: Any
    ramp: Any
    bottleneck: Any


def price(
    kind: str,
    size: Any,
    traffic: Traffic,
    group: Group,
    library: Library,
    algorithm: str,
    protocol: str,
) -> Price:
    r"""Turn counts into seconds.

    .. math::

        t = t_\text{launch} + \sum_\text{tiers} k_i \alpha_i + w + \tau^p w^{1-p}, \qquad
        w = \max_i \frac{V_i}{e_i B_i} + \frac{V_\text{copy}}{e_c B_0}

    Steps inside a domain and hops of a tier follow one another; bytes flow through all tiers at
    once, so the slowest decides; a rank's own share is copied by the same SMs that feed the port,
    so it adds. The last term is the overhead of chunked pipelining: it grows with size, but ever
    more slowly than the wire time w.

    Parameters
    ----------
    kind : str
        Operation.
    size : float or array
        As nccl-tests counts it [B].
    traffic : Traffic
        Counts.
    group : Group
        Where the members lie.
    library : Library
        Latencies and efficiencies.
    algorithm, protocol : str
        Which of the library's constants hold.
    """
    fit = library.algorithms[algorithm]
    proto = library.protocols[protocol]
    payload = _port_share(group, library, fit, proto)
    step = library.step * proto.step * fit.step * choose(size > CHANNEL_BYTES, proto.wide, 1.0)
    latency = traffic.steps * larger(step, group.port_latency)
    if traffic.stages is not None and protocol != "ll":
        latency = latency + smaller(
            traffic.stages * fit.fill, FILL_SHARES * size / (group.port * payload)
        )
    wire = traffic.port / (group.port * payload)
    most = latency + wire
    bottleneck: Any = 0
    hop = library.hop * proto.hop * choose(size > CHANNEL_BYTES, proto.hop_wide, 1.0)
    for tier, hops in enumerate(traffic.hops):
        path = group.latency[tier]
        waiting = hops * larger(hop + (path - library.path), path)
        moving = traffic.egress[tier] / (
            _tier_rate(kind, group, library, tier) * fit.network * proto.efficiency
        )
        latency = latency + waiting
        wire = larger(wire, moving)
        here = waiting + moving
        bottleneck = choose(here > most, tier + 1, bottleneck)
        most = larger(most, here)
    if traffic.handled is not None:
        wire = larger(wire, traffic.handled / (group.port * payload * fit.copy))
    wire = wire + traffic.copy / (group.port * payload / proto.efficiency * fit.copy)
    tau = fit.ramp[protocol]
    if fit.ramp_growth is not None:
        tau = tau * power(group.local / CHASSIS, fit.ramp_growth)
    if protocol != "ll" and algorithm != "p2p":
        tau = tau + choose(group.units > 1, library.network_ramp, 0.0)
    ramp = power(tau, fit.slope) * power(wire, 1.0 - fit.slope)
    launch = library.launch + fit.extra[protocol] + library.delay
    time = launch + latency + wire + ramp
    if library.serial is not None:
        started = _serial_launch(time, group, library, algorithm)
        launch = launch + (started - time)
        time = started
    return Price(
        time=time,
        launch=launch,
        latency=latency,
        bandwidth=wire,
        ramp=ramp,
        bottleneck=bottleneck,
    )


CHANNEL_BYTES = 16384
"""Messages above this size spread over all channels [B]."""
FILL_SHARES = 4.0
"""A pipeline never takes longer to fill than so many times the whole message on one port."""


def _port_share(group: Group, library: Library, fit: Algorithm, proto: Protocol) -> Any:
    """Share of a port's line rate that an algorithm and protocol leave for payload."""
    share = fit.port * proto.efficiency
    if fit.port_decline is not None:
        share = share * power(CHASSIS / larger(group.local, CHASSIS), fit.port_decline)
    if library.sharing is not None:
        share = share * power(2 / larger(group.local, 2), library.sharing)
    racks = both(group.local > RACK_MEMBERS, group.units > 2)
    return share * choose(racks, library.rack, 1.0)


CHASSIS = 8
"""Members of the domain in which the constants of multicast were measured."""
RACK_MEMBERS = 16
"""A domain with more members than any one chassis holds is a rack."""


def _tier_rate(kind: str, group: Group, library: Library, tier: int) -> Any:
    """What one GPU may send at a tier, less what an operation's pattern loses there [B/s]."""
    if kind == "all_to_all":
        loss = 1.0 + library.spread * (1.0 - 2.0 / larger(group.units, 2))
        return group.uniform[tier] / loss
    rate = group.bandwidth[tier]
    if kind in ("all_gather", "reduce_scatter"):
        most = library.gather_from * library.gather  # a slower NIC is never the faster one
        return choose(rate >= library.gather_from, rate * library.gather, smaller(rate, most))
    return rate


def wire_shares(
    kind: str, group: Group, library: Library, algorithm: str, protocol: str
) -> tuple[Any, ...]:
    """Return the part of line rate that payload gets, in the domain and at each network tier."""
    fit, proto = library.algorithms[algorithm], library.protocols[protocol]
    rates = group.uniform if kind == "all_to_all" else group.bandwidth
    outside = (
        _tier_rate(kind, group, library, tier) / rate * fit.network * proto.efficiency
        for tier, rate in enumerate(rates)
    )
    return (_port_share(group, library, fit, proto), *outside)


def _serial_launch(time: Any, group: Group, library: Library, algorithm: str) -> Any:
    """Time of a call whose GPUs one process launches one after the other.

    The launches overlap with the work of those already started; powers of 3/2 blend the two.
    """
    pairs = group.local * group.local if algorithm == "pairwise" else 0
    launches = library.serial * group.local + library.serial_peers * pairs
    return power(power(time, 1.5) + power(launches, 1.5), 2.0 / 3.0)
