"""Published interruptions of training, and what recovery from one takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from netmodel.catalog import table
from netmodel.catalog.table import Fact
from netmodel.errors import unknown_name

COMPONENTS = ("gpu", "node", "cable")
"""What causes are counted per: GPUs, hosts, cables between hosts and switches."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """One cause of interruption.

    Attributes
    ----------
    name, what : str
        Row; cause in words.
    per : str
        One of :data:`COMPONENTS`: what there has to be more of for it to come more often.
    rate : float
        Interruptions a second and component [1/s].
    count : float
        As published.
    takes_host_out : bool
        Whether a host has to be replaced or repaired.
    source : str
        Who published the count.
    """

    name: str
    what: str
    per: str
    rate: float
    count: float
    takes_host_out: bool
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Campaign:
    """One published observation of a job or a cluster.

    Attributes
    ----------
    name, what, date : str
        Name; the job; month of publication.
    gpus : float
        Accelerators that were observed.
    causes : tuple of Cause
    planned : float
        Planned interruptions a second and host [1/s]; 0 where none were published.
    effective : float or None
        Published share of time spent on useful training.
    bound : str
        ``more than`` where that is a lower bound; else empty.
    source : str
    facts : mapping of str to Fact
        Published rows of the observation itself.
    """

    name: str
    what: str
    date: str
    gpus: float
    causes: tuple[Cause, ...]
    planned: float
    effective: float | None
    bound: str
    source: str
    facts: Mapping[str, Fact] = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovery:
    """What recovery takes where nobody says otherwise.

    Attributes
    ----------
    restart : float
        From interruption to a running job, without loading the checkpoint [s].
    repair : float
        Until a host that was taken out is back [s].
    storage_bandwidth : float
        Of the checkpoint storage [B/s].
    sources : mapping of str to str
        Who published each.
    """

    restart: float
    repair: float
    storage_bandwidth: float
    sources: Mapping[str, str]


def campaign_names() -> list[str]:
    """Names of the published observations."""
    return [name for name in table.rows("failures") if "." not in name and name != "recovery"]


def campaign(name: str, where: str = "") -> Campaign:
    """Return a published observation by name.

    >>> sum(cause.count for cause in campaign("llama-3-405b").causes)
    419.0

    Raises
    ------
    InputError
        When none has that name, offering the near ones.
    """
    known = table.rows("failures")
    if table.key(name) not in campaign_names():
        raise unknown_name("set of failure rates", name, campaign_names(), where=where)
    name = table.key(name)
    facts = known[name]
    duration, nodes = table.need(facts, "duration"), table.need(facts, "nodes")
    seconds = {
        "gpu": duration * table.need(facts, "gpus"),
        "node": duration * nodes,
        "cable": duration * (table.number(facts, "cables") or nodes),
    }
    causes = tuple(
        _cause(row, each, seconds)
        for row, each in known.items()
        if row.partition(".")[0] == name and "." in row
    )
    return Campaign(
        name=name,
        what=table.word(facts, "what"),
        date=table.word(facts, "date"),
        gpus=table.need(facts, "gpus"),
        causes=causes,
        planned=(table.number(facts, "planned") or 0.0) / seconds["node"],
        effective=table.number(facts, "effective"),
        bound=table.word(facts, "bound"),
        source=facts["what"].source,
        facts=facts,
    )


def _cause(name: str, facts: Mapping[str, Fact], seconds: Mapping[str, float]) -> Cause:
    count, per = table.need(facts, "count"), table.word(facts, "per")
    return Cause(
        name=name.partition(".")[2],
        what=table.word(facts, "what"),
        per=per,
        rate=count / seconds[per],
        count=count,
        takes_host_out=bool(table.need(facts, "takes_host_out")),
        source=facts["count"].source,
    )


def usual_campaign(generation: str) -> Campaign:
    """Return the observation that stands for accelerators of one generation."""
    for name in campaign_names():
        if generation in table.word(table.rows("failures")[name], "generations").split():
            return campaign(name)
    return campaign(campaign_names()[0])


def recovery() -> Recovery:
    """Return what recovery takes where nobody says otherwise."""
    facts = table.rows("failures")["recovery"]
    fields = ("restart", "repair", "storage_bandwidth")
    return Recovery(
        **{name: table.need(facts, name) for name in fields},
        sources={name: facts[name].source for name in fields},
    )
