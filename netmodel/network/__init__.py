"""Which way bytes go, and who shares: routes, loads, max-min rates, tiers, faults.

Reads any fabric graph; knows no model and no spec.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from netmodel.network.tiers import Span, Tiers, tiers

if TYPE_CHECKING:
    from netmodel.network import faults
    from netmodel.network.arrays import Network, compile_network
    from netmodel.network.flows import simulate_flows
    from netmodel.network.itinerary import Routes, routes
    from netmodel.network.legs import Connections, connections
    from netmodel.network.load import Hot, Loads, contention_time, link_loads
    from netmodel.network.maxmin import maxmin_rates
    from netmodel.network.metrics import describe
    from netmodel.network.placement import PLACEMENTS, place
    from netmodel.network.ports import Ways
    from netmodel.network.resilience import Slowdown, single_failures, slowdowns
    from netmodel.network.routing import POLICIES
    from netmodel.network.schedule import flow_time
    from netmodel.network.sharing import Sharers
    from netmodel.network.traffic import Exchange, Traffic

__all__ = [
    "PLACEMENTS",
    "POLICIES",
    "Connections",
    "Exchange",
    "Hot",
    "Loads",
    "Network",
    "Routes",
    "Sharers",
    "Slowdown",
    "Span",
    "Tiers",
    "Traffic",
    "Ways",
    "compile_network",
    "connections",
    "contention_time",
    "describe",
    "faults",
    "flow_time",
    "link_loads",
    "maxmin_rates",
    "place",
    "routes",
    "simulate_flows",
    "single_failures",
    "slowdowns",
    "tiers",
]

_HOMES = {
    "arrays": ("Network", "compile_network"),
    "faults": (),
    "flows": ("simulate_flows",),
    "load": ("Hot", "Loads", "contention_time", "link_loads"),
    "maxmin": ("maxmin_rates",),
    "metrics": ("describe",),
    "placement": ("PLACEMENTS", "place"),
    "ports": ("Ways",),
    "resilience": ("Slowdown", "single_failures", "slowdowns"),
    "itinerary": ("Routes", "routes"),
    "legs": ("Connections", "connections"),
    "routing": ("POLICIES",),
    "schedule": ("flow_time",),
    "sharing": ("Sharers",),
    "traffic": ("Exchange", "Traffic"),
}


def __getattr__(name: str) -> Any:
    """Import what the closed form does not need when it is first asked for."""
    for home, names in _HOMES.items():
        if name == home:
            return import_module(f"netmodel.network.{home}")
        if name in names:
            return getattr(import_module(f"netmodel.network.{home}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
