"""HammingMesh: boards of accelerators in a 2D mesh, board rows and columns joined by switches.

The west and east ports of row i of all boards in one row of the grid meet on one switch, north
and south ports of column j likewise (Hoefler et al., arXiv:2209.01346).
"""

from __future__ import annotations

import math

import numpy as np

from netmodel.errors import InputError
from netmodel.graph import Block, IntArray
from netmodel.topology.between_groups import merged
from netmodel.topology.family import Fabric, SwitchedSpec, too_large
from netmodel.topology.fields import Count, LinkField
from netmodel.topology.host import Ends, bundle
from netmodel.topology.lattice import lattice_pairs

JOINS = "gpus"


class Spec(SwitchedSpec):
    """Fields of a HammingMesh."""

    board: tuple[Count, Count]
    """Rows and columns of accelerators on one board."""
    grid: tuple[Count, Count]
    """Rows and columns of boards at full size."""
    board_link: LinkField | None = None
    """Cable between neighbours on a board, where it differs from that to a switch."""


def wire(spec: Spec, ends: Ends) -> Fabric:
    """Number accelerators board by board; as many rows of boards as they need."""
    (rows, columns), (_, across) = spec.board, spec.grid
    on_board = rows * columns
    count = len(ends.index)
    if count > on_board * math.prod(spec.grid):
        most = on_board * math.prod(spec.grid)
        raise too_large("hamming-mesh", count, most, f"its grid is {spec.grid}")
    boards = -(-count // on_board)
    across = min(across, boards)
    down = -(-boards // across)
    a, b, _ = lattice_pairs(spec.board, wrap=False)
    start = on_board * np.arange(boards)[:, None]
    near, far = (start + a).reshape(-1), (start + b).reshape(-1)
    kept = (near < count) & (far < count)
    rank = np.arange(count)
    board, i, j = rank // on_board, rank % on_board // columns, rank % columns
    row_switch = ends.first + board // across * rows + i
    column_switch = ends.first + down * rows + board % across * columns + j
    ports = [
        (rank[chosen], switch[chosen])
        for chosen, switch in (
            (j == 0, row_switch),
            (j == columns - 1, row_switch),
            (i == 0, column_switch),
            (i == rows - 1, column_switch),
        )
    ]
    gpu, switch, cables = merged(
        np.concatenate([ends.index[who] for who, _ in ports]),
        np.concatenate([where for _, where in ports]),
    )
    link = spec.link.part
    groups = [bundle(gpu, switch, link, "host-leaf", cables)]
    if kept.any():
        mesh = (spec.board_link or spec.link).part
        groups.insert(0, bundle(ends.index[near[kept]], ends.index[far[kept]], mesh, "ici"))
    blocks = (_switches(spec, "row", down, rows), _switches(spec, "column", across, columns))
    return Fabric(blocks, tuple(groups), ends.first + np.arange(down * rows + across * columns))


def _switches(spec: Spec, word: str, lines: int, each: int) -> Block:
    number: IntArray = np.arange(lines * each)
    return Block(
        kind="leaf",
        shape=(lines, each),
        label=f"{word}{{0:02d}}-leaf-{{1}}",
        attributes={**spec.device(), "pod": number // each},
    )


def limit(spec: Spec, nics: int, ports: int) -> int | None:
    """Hosts of ``nics`` accelerators that fit.

    Raises
    ------
    InputError
        When one switch has too few ports for a row or column of boards.
    """
    need = 2 * max(spec.grid)
    if spec.ports is not None and need > spec.ports:
        raise InputError(
            f"a row of {max(spec.grid)} boards needs {need} ports on one switch, it has"
            f" {spec.ports}",
            where="fabric.grid",
        )
    return math.prod(spec.board) * math.prod(spec.grid) // (nics * ports)
