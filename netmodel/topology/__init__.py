"""Which cable joins what: cluster specifications, wiring rules, importers.

A family is one wiring rule in one file; a spec sized for N GPUs becomes a graph.
"""
