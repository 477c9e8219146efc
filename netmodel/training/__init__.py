"""One training step: work and messages placed on a cluster, added up.

The only room that joins ranks to GPUs, and it does so in ``placement``.
"""
