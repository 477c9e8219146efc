"""Which way bytes go, and who shares: routes, loads, max-min rates, tiers, faults.

Reads any fabric graph; knows no model and no spec.
"""

from netmodel.network.tiers import Span, Tiers, tiers

__all__ = ["Span", "Tiers", "tiers"]
