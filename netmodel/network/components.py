"""Connected components of large graphs with numpy alone, grown one layer of cables at a time."""

from __future__ import annotations

import numpy as np

from netmodel.graph import IntArray


def join(labels: IntArray, a: IntArray, b: IntArray) -> IntArray:
    """Return the component labels after edges join some of the components.

    Every round each component takes the smallest label beside it, then chains of labels are
    followed to their end by pointer jumping; the number of rounds grows with the logarithm of
    the longest chain.

    Parameters
    ----------
    labels : int array [nodes]
        Component of each node, numbered from 0 without gaps.
    a, b : int array [edges]
        Ends of the new edges, as nodes.

    Returns
    -------
    int array [nodes]
        Component of each node, numbered from 0 without gaps in the order of their first label.

    Examples
    --------
    >>> join(np.arange(5), np.array([4, 1]), np.array([0, 2])).tolist()
    [0, 1, 1, 2, 0]
    """
    left, right = _apart(labels[a], labels[b])
    if not len(left):
        return labels
    root = np.arange(int(labels.max()) + 1)
    while len(left):
        np.minimum.at(root, np.maximum(left, right), np.minimum(left, right))
        while not np.array_equal(after := root[root], root):
            root = after
        left, right = _apart(root[left], root[right])
    numbers = np.cumsum(root == np.arange(len(root))) - 1
    return numbers[root][labels]


def _apart(left: IntArray, right: IntArray) -> tuple[IntArray, IntArray]:
    """Keep the pairs that still lie in two components."""
    keep = left != right
    return left[keep], right[keep]
