"""Which GPUs form a group: the only place that joins ranks to GPUs.

Ranks are numbered with the innermost dimension of ``order`` fastest, and rank r runs on GPU r, so
a group is a number of GPUs that lie a stride apart. Experts fold: they are spread over the GPUs of
all dimensions but the pipeline's, innermost ``etp``, then ``ep``, then the copies of an expert.
"""

from __future__ import annotations

from typing import Any

from netmodel.numeric import smaller
from netmodel.workload.layout import Strategy


def strides(strategy: Strategy) -> dict[str, Any]:
    """How far apart the members of each dimension's groups lie.

    A ``dp`` group (shared parameters) holds the ranks of both dp and cp; a ``replica`` group
    joins equal ranks of hybrid shards.

    >>> strides(Strategy(tp=2, cp=2, dp=8, pp=4, ep=4))["pp"]
    32
    """
    degree = {"tp": strategy.tp, "cp": strategy.cp, "dp": strategy.dp, "pp": strategy.pp}
    found: dict[str, Any] = {}
    inner: Any = 1
    for name in strategy.order.split("-"):
        if name in degree:
            found[name] = inner
            inner = inner * degree[name]
    start = found["dp"] // (strategy.tp * strategy.cp)
    start = start + (start == 0)
    found["etp"] = start
    found["ep"] = start * strategy.etp
    found["edp"] = found["ep"] * strategy.ep
    found["dp"] = smaller(found["dp"], found["cp"])
    found["replica"] = found["dp"] * (strategy.shard + (strategy.shard == 0))
    return found
