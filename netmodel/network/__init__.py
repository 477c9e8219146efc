"""Which way bytes go, and who shares: routes, loads, max-min rates, tiers, faults.

Reads any fabric graph; knows no model and no spec.
"""
