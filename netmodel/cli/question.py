"""From option texts to the objects that a question is about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from netmodel.errors import InputError

if TYPE_CHECKING:
    from netmodel.studies.layouts import Request
    from netmodel.studies.run import Run
    from netmodel.topology import Cluster
    from netmodel.workload import Model

MODEL = "model."
"""Prefix of ``--set`` paths that belong to the model, whose fields have no dots."""


def load(cluster: str, model: str, overrides: Sequence[str]) -> tuple[Cluster, Model]:
    """Load the cluster and the model, each with the overrides that are its own.

    A path with a dot is a field of the cluster, ``fabric.oversubscription=2``; one without is a
    key of the model's configuration, ``num_hidden_layers=4`` (or ``model.num_hidden_layers=4``).
    """
    of_cluster, of_model = split_overrides(overrides)
    return load_cluster(cluster, of_cluster), load_model(model, of_model)


def split_overrides(overrides: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Divide ``--set`` texts into those of the cluster and those of the model.

    >>> split_overrides(["fabric.oversubscription=2", "num_hidden_layers=4"])
    (('fabric.oversubscription=2',), ('num_hidden_layers=4',))
    """
    of_cluster, of_model = [], []
    for text in overrides:
        path, equals, _ = text.partition("=")
        if not equals or not path.strip():
            raise InputError(
                f"{text!r} is not PATH=VALUE",
                where="--set",
                remedy="Write e.g. --set fabric.oversubscription=2.",
            )
        if path.startswith(MODEL):
            of_model.append(text.removeprefix(MODEL))
        elif "." in path:
            of_cluster.append(text)
        else:
            of_model.append(text)
    return tuple(of_cluster), tuple(of_model)


def load_cluster(name: str, overrides: Sequence[str] = ()) -> Cluster:
    """Load a cluster by name or file."""
    from netmodel import topology

    return topology.load_cluster(name, overrides=tuple(overrides))


def load_model(name: str, overrides: Sequence[str] = ()) -> Model:
    """Load a model by name, file or folder."""
    from netmodel import workload

    return workload.load_model(name, overrides=tuple(overrides))


def request(
    strategy: str | None,
    global_batch: int | None,
    micro_batch: int | None,
    seq_len: int | None,
    precision: str | None,
) -> Request:
    """Gather the layout options."""
    from netmodel.studies.layouts import Request

    return Request(
        strategy=strategy,
        global_batch=global_batch,
        micro_batch=micro_batch,
        seq_len=seq_len,
        precision=precision,
    )


def numbers(text: str | None, where: str) -> tuple[float, ...] | None:
    """Read numbers that commas part.

    >>> numbers("1, 2.5", "--shares")
    (1.0, 2.5)
    """
    if text is None:
        return None
    try:
        return tuple(float(each) for each in text.split(","))
    except ValueError:
        raise InputError(
            f"{text!r} holds what is no number", where=where, remedy="Write e.g. 1,2.5."
        ) from None


def run(
    cluster: str,
    gpus: int | None,
    model: str | None,
    tokens: float | None,
    overrides: Sequence[str],
    layout: Mapping[str, Any],
    fidelity: str,
    *,
    timed: bool = True,
) -> tuple[Cluster, int, Run | None]:
    """Load a cluster and its size, and time a training run where a model was named.

    Raises
    ------
    InputError
        When tokens or fields of a model are stated without a model.
    """
    of_cluster, of_model = split_overrides(overrides)
    fabric = load_cluster(cluster, of_cluster)
    number = size(fabric, gpus)
    if model is None:
        if tokens is not None or of_model:
            found = "tokens" if tokens is not None else f"the field {of_model[0]!r}"
            raise InputError(
                f"{found} of a run without a model", where="--model", remedy="Name a model."
            )
        return fabric, number, None
    if not timed:
        return fabric, number, None
    from netmodel.studies.run import training_run  # only where a step is timed

    shape = load_model(model, of_model)
    return fabric, number, training_run(shape, fabric, number, tokens, request(**layout), fidelity)


def state(
    cluster: Cluster, model: str | None, overrides: Sequence[str], timed: Run | None
) -> float:
    """Return the bytes of one checkpoint of a model, as the cluster's software stores it."""
    from netmodel.studies.run import state_bytes

    if timed is not None:
        return timed.state
    assert model is not None
    return state_bytes(load_model(model, split_overrides(overrides)[1]), cluster)


def size(cluster: Cluster, gpus: int | None) -> int:
    """Return the GPUs in use: as asked, else the cluster's own size."""
    return int(gpus or cluster.gpus)
