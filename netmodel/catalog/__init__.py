"""Facts that someone published: accelerators, links, switches, NICs, nodes, prices, models.

Every value is a row in ``data/`` with unit and source; code holds no hardware number.
"""
