"""Clusters side by side: each with its own layout, its bill, its watts, what one fault takes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from netmodel.errors import InputError, ModelError, NetmodelError
from netmodel.graph import SWITCH_KINDS, TIERS, Wiring
from netmodel.network.bisection import bisection_bandwidth
from netmodel.studies.amounts import Range, exactly
from netmodel.studies.bill import bill
from netmodel.studies.cost import Cost, Terms, cost
from netmodel.studies.groups import FABRIC_TIERS
from netmodel.studies.layouts import Choice, Request, choose, layout_text
from netmodel.studies.price_list import PriceList
from netmodel.studies.whatif_rank import Ranking, rank_faults
from netmodel.training import step

if TYPE_CHECKING:
    from netmodel.topology import Cluster
    from netmodel.training import Step
    from netmodel.workload import Model

TRIED = 8
"""Sizes that are tried, from the largest affordable one down, before a cluster is left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One cluster at one size, with one model or none.

    Attributes
    ----------
    label, cluster : str
        Name, with the varied field where there is one; name of the cluster alone.
    gpus : int
    cost : Cost
        Bill, watts, rent and write-off.
    switches, links : int
        Switches, and cables between them.
    bisection : float
        One direction, for each GPU [B/s].
    tolerance : dict
        Largest share of its bandwidth that a host loses with one ``nic`` cable and one ``leaf``,
        and a leaf with one ``spine``; 1 is all of it.
    model : str
        Empty for none.
    choice, step : Choice, Step or None
        The layout, and the step under it.
    faults : Ranking or None
        Every single fault, where it was asked for.
    """

    label: str
    cluster: str
    gpus: int
    cost: Cost
    switches: int
    links: int
    bisection: float
    tolerance: dict[str, float]
    model: str = ""
    choice: Choice | None = None
    step: Step | None = None
    faults: Ranking | None = None

    @property
    def stopping(self) -> int | None:
        """Single faults that stop the job."""
        if self.faults is None:
            return None
        return sum(each.count for each in self.faults.faults if np.isinf(each.slowdown))

    @property
    def worst(self) -> float | None:
        """Largest slow-down by a single fault that does not stop the job."""
        if self.faults is None:
            return None
        times = [each.slowdown for each in self.faults.faults if np.isfinite(each.slowdown)]
        return max(times, default=1.0)

    @property
    def tokens_per_s(self) -> float | None:
        """Of the whole job."""
        return float(self.step.tokens_per_s_per_gpu) * self.gpus if self.step else None

    @property
    def tokens_per_dollar_rented(self) -> Range | None:
        """Tokens for a dollar of rent; None without a published rent."""
        return _over(self.tokens_per_s, self.cost.figure("rent"), self.gpus)

    @property
    def tokens_per_dollar_owned(self) -> Range | None:
        """Tokens for a dollar of what owning costs; None where a part has no price."""
        hourly = self.cost.per_gpu_hour
        return _over(self.tokens_per_s, hourly / 3600.0 if hourly else None, self.gpus)

    @property
    def tokens_per_joule(self) -> Range | None:
        """Tokens for a joule of hosts and network at work."""
        return _over(self.tokens_per_s, self.cost.figure("load"), 1)

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON object: SI, units in the keys."""
        made = self.cost.bill
        found: dict[str, Any] = {
            "label": self.label,
            "cluster": self.cluster,
            "model": self.model,
            "gpus": self.gpus,
            "switches": self.switches,
            "links": self.links,
            "bisection_Bps_per_gpu": self.bisection,
            "bandwidth_lost": self.tolerance,
            "purchase_usd": _plain(made.purchase),
            "network_usd": _plain(made.network_purchase),
            "network_per_gpu_usd": _plain(
                made.network_purchase / self.gpus if made.network_purchase else None
            ),
            "network_share_of_node_and_network": _plain(made.network_share),
            "load_W": _plain(self.cost.figure("load")),
            "bill": [line.to_dict() for line in made.lines],
        }
        if self.step is not None and self.choice is not None:
            found |= {
                "step": self.step.to_dict(),
                "layout": layout_text(self.choice.strategy),
                "layout_origin": self.choice.origin,
                "tokens_per_s": self.tokens_per_s,
                "tokens_per_usd_rented": _plain(self.tokens_per_dollar_rented),
                "tokens_per_usd_owned": _plain(self.tokens_per_dollar_owned),
                "tokens_per_J": _plain(self.tokens_per_joule),
            }
        if self.faults is not None:
            found["single_faults"] = {
                "count": self.faults.count,
                "stop_the_job": self.stopping,
                "worst_slowdown": self.worst,
            }
        return found


def _plain(value: Range | None) -> dict[str, float] | None:
    return value.to_dict() if value else None


def _over(tokens: float | None, each: Range | None, count: int) -> Range | None:
    """Tokens over what ``count`` of something cost in the same time."""
    return exactly(tokens) / (each * count) if tokens and each and each.low > 0 else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Clusters side by side.

    Attributes
    ----------
    entries : tuple of Entry
    left_out : tuple of (str, str)
        Which cluster, and why it cannot take part.
    budget : float or None
        Most that each may cost [USD], where money was made equal.
    """

    entries: tuple[Entry, ...]
    left_out: tuple[tuple[str, str], ...] = ()
    budget: float | None = None

    @property
    def notes(self) -> tuple[str, ...]:
        """What is missing and what was assumed."""
        said = [f"{label}: left out, {why}" for label, why in self.left_out]
        for each in self.entries:
            said += [f"{each.label}: {note}" for note in each.cost.bill.notes]
            if each.choice is not None and each.choice.note:
                said.append(f"{each.label}: {each.choice.note}")
        for name in ("rent", "lifetime"):
            said += [
                f"{name}: {figure.source}"
                for each in self.entries
                for figure in each.cost.terms
                if figure.name == name and figure.value and each.step is not None
            ]
        return tuple(dict.fromkeys(said))

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object of ``netmodel compare``."""
        return {
            "budget_usd": self.budget,
            "entries": [each.to_dict() for each in self.entries],
            "left_out": [{"label": label, "reason": why} for label, why in self.left_out],
        }


def compare(
    clusters: Sequence[tuple[str, Cluster]],
    models: Sequence[Model] = (),
    *,
    gpus: Sequence[int] = (),
    request: Request | None = None,
    prices: PriceList | None = None,
    terms: Terms | None = None,
    budget: float | None = None,
    equal_money: bool = False,
    faults: bool = False,
    report: Callable[[int, int], None] | None = None,
) -> Comparison:
    """Time, price and describe every cluster at every size, with every model.

    Parameters
    ----------
    clusters : sequence of (str, Cluster)
        Label and design.
    models : sequence of Model
        None compares fabrics alone.
    gpus : sequence of int
        Sizes; each cluster's own when left out.
    budget : float, optional
        Most that hosts and network may cost [USD]: each cluster is as large as that allows.
    equal_money : bool
        Take what the first cluster costs at its (first) size for the budget.
    faults : bool
        Break every cable, NIC and switch in turn too; a second for 2,048 GPUs.
    report : callable, optional
        Called after each entry with how many are done, of how many.

    Raises
    ------
    InputError
        When the first cluster has no complete price and money was to be equal.
    NetmodelError
        What is wrong with the first, where none can take part.
    """
    prices, terms, request = prices or PriceList(), terms or Terms(), request or Request()
    if equal_money and budget is None:
        budget = _budget(clusters[0][1], gpus, prices)
    sizes: tuple[int | None, ...] = (None,) if budget is not None else tuple(gpus) or (None,)
    shapes: tuple[Model | None, ...] = tuple(models) or (None,)
    questions = [
        (label, cluster, model, size)
        for model in shapes
        for size in sizes
        for label, cluster in clusters
    ]
    entries, left_out, errors = [], [], []
    for number, (label, cluster, model, size) in enumerate(questions):
        try:
            if budget is not None:
                entry = _within(label, cluster, model, budget, request, prices, terms)
            else:
                count = size or cluster.gpus
                entry = entry_of(label, cluster, model, count, request, prices, terms)
            if faults and model is not None:
                ranking = rank_faults(model, cluster, gpus=entry.gpus, request=request)
                entry = replace(entry, faults=ranking)
            entries.append(entry)
        except (InputError, ModelError) as error:
            errors.append(error)
            left_out.append((label, str(error)))
        if report is not None:
            report(number + 1, len(questions))
    if not entries:
        raise _first(errors)
    return Comparison(entries=tuple(entries), left_out=tuple(left_out), budget=budget)


def _first(errors: Sequence[NetmodelError]) -> NetmodelError:
    return errors[0] if errors else InputError("no cluster was named", where="netmodel compare")


def entry_of(
    label: str,
    cluster: Cluster,
    model: Model | None,
    gpus: int,
    request: Request,
    prices: PriceList,
    terms: Terms,
) -> Entry:
    """Ask one cluster at one size everything."""
    wiring = cluster.wiring(gpus)
    choice = done = None
    if model is not None:
        choice = choose(model, cluster, gpus, request)
        done = step(
            model,
            cluster,
            choice.strategy,
            gpus=gpus,
            seq_len=choice.seq_len,
            software=choice.software,
        )
    return Entry(
        label=label,
        cluster=cluster.name,
        gpus=gpus,
        cost=cost(cluster, gpus, prices=prices, terms=terms),
        switches=sum(len(wiring.of_kind(kind)) for kind in SWITCH_KINDS),
        links=_links(wiring),
        bisection=bisection_bandwidth(wiring) / gpus,
        tolerance=bandwidth_lost(wiring),
        model=model.name if model else "",
        choice=choice,
        step=done,
    )


def _links(wiring: Wiring) -> int:
    """Count the cables between switches."""
    groups = [g for g in wiring.cables if TIERS[g.tier] > TIERS["host-leaf"]]
    return sum(int(np.broadcast_to(g.cables, len(g.a)).sum()) for g in groups)


def bandwidth_lost(wiring: Wiring) -> dict[str, float]:
    """Return the largest share of bandwidth that goes with one cable, one leaf, one spine."""
    node = wiring.attribute("node", -1.0).astype(int)
    leaf = np.zeros(wiring.n_nodes, bool)
    leaf[wiring.of_kind("leaf")] = True
    found: dict[str, float] = {}
    for group in wiring.cables:
        if group.tier not in FABRIC_TIERS or not len(group.a):
            continue
        rate = np.broadcast_to(np.asarray(group.bandwidth, float), len(group.a))
        turned = leaf[group.a] & (node[group.b] >= 0)
        low, high = np.where(turned, group.b, group.a), np.where(turned, group.a, group.b)
        if group.tier == "host-leaf" and (node[low] >= 0).all():
            single = rate / np.broadcast_to(np.asarray(group.cables), len(group.a))
            found["nic"] = _largest_share(node[low], np.arange(len(low)), rate, single)
            found["leaf"] = _largest_share(node[low], high, rate, rate)
        elif group.tier == "leaf-spine":
            up = np.where(leaf[group.a], group.a, group.b)
            found["spine"] = _largest_share(up, group.a + group.b - up, rate, rate)
    return found


def _largest_share(owner: Any, part: Any, rate: Any, lost: Any) -> float:
    """Return the largest part of an owner's rate that is lost with one part."""
    whole = np.bincount(owner, rate)
    pairs, which = np.unique(np.stack([owner, part]), axis=1, return_inverse=True)
    gone = np.bincount(which.ravel(), lost)
    return float((gone / whole[pairs[0]]).max())


def _budget(cluster: Cluster, gpus: Sequence[int], prices: PriceList) -> float:
    """Return what the first cluster costs."""
    size = gpus[0] if gpus else cluster.gpus
    made = bill(cluster, cluster.wiring(size), prices)
    if made.purchase is None:
        raise InputError(
            f"{cluster.name} has no complete price: {'; '.join(made.notes)}",
            where="--equal money",
            remedy="Give --budget, or --prices h100-sheet.",
        )
    return made.purchase.typical


def _within(
    label: str,
    cluster: Cluster,
    model: Model | None,
    budget: float,
    request: Request,
    prices: PriceList,
    terms: Terms,
) -> Entry:
    """Take the largest affordable size, of 2^k and 3 2^k GPUs, for which there is a layout."""
    most = cluster.max_gpus or 2**20
    sizes = sorted(s for k in range(3, 21) for s in (2**k, 3 * 2 ** (k - 1)) if s <= most)
    affordable: list[int] = []
    for size in sizes:
        made = bill(cluster, cluster.wiring(size), prices)
        if made.purchase is None:
            raise InputError("; ".join(made.notes), where=label, remedy="Give --prices.")
        if made.purchase.typical > budget:
            break
        affordable.append(size)
    problem: NetmodelError = ModelError(
        f"${budget:,.0f} buys none of it", where=label, remedy="Raise --budget."
    )
    for size in affordable[::-1][:TRIED]:
        try:
            return entry_of(label, cluster, model, size, request, prices, terms)
        except (InputError, ModelError) as error:
            problem = error
    raise problem
