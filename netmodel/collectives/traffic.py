"""What an algorithm asks of the wires, and what that costs: the one engine for all of them.

An algorithm is a table of counts (:class:`Traffic`); :func:`price` turns counts into seconds with
a library's constants. Nothing else in this room computes a time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from netmodel.collectives.group import Group
from netmodel.collectives.library import Library
from netmodel.collectives.real import choose, larger, power


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
    """

    steps: Any
    hops: tuple[Any, ...]
    port: Any
    egress: tuple[Any, ...]
    copy: Any = 0.0


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


def price(traffic: Traffic, group: Group, library: Library, algorithm: str, protocol: str) -> Price:
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
    port = group.port * fit.port * proto.efficiency
    wire = traffic.port / port
    most = latency = traffic.steps * (library.step * proto.step + group.port_latency)
    most = most + wire
    bottleneck: Any = 0
    for tier, hops in enumerate(traffic.hops):
        waiting = hops * (library.hop * proto.hop + group.latency[tier])
        moving = traffic.egress[tier] / (group.bandwidth[tier] * library.network * proto.efficiency)
        latency = latency + waiting
        wire = larger(wire, moving)
        here = waiting + moving
        bottleneck = choose(here > most, tier + 1, bottleneck)
        most = larger(most, here)
    wire = wire + traffic.copy / (group.port * fit.copy)
    launch = library.launch + proto.extra + fit.fixed
    ramp = power(fit.ramp, fit.slope) * power(wire, 1.0 - fit.slope)
    return Price(
        time=launch + latency + wire + ramp,
        launch=launch,
        latency=latency,
        bandwidth=wire,
        ramp=ramp,
        bottleneck=bottleneck,
    )
