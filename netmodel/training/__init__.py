"""One training step: work and messages placed on a cluster, added up.

The only room that joins ranks to GPUs, and it does so in ``placement``.
"""

from netmodel.training.breakdown import Step
from netmodel.training.compose import Sum, add_up
from netmodel.training.frameworks import Software, frameworks, software
from netmodel.training.pipeline import bubble
from netmodel.training.plan import Plan, plan
from netmodel.training.step import step, step_times

__all__ = [
    "Plan",
    "Software",
    "Step",
    "Sum",
    "add_up",
    "bubble",
    "frameworks",
    "plan",
    "software",
    "step",
    "step_times",
]
