"""Arithmetic that treats a number and an array of numbers alike.

Plain Python is kept for plain numbers: a scalar answer costs no numpy call, and is the same to
the last bit as the element of an array.
"""

from __future__ import annotations

from typing import Any

import numpy as np


def where(condition: Any, yes: Any, no: Any) -> Any:
    """Choose by a truth value, or element by element by an array of them.

    >>> where(True, 1, 2), where(np.array([True, False]), 1, 2).tolist()
    (1, [1, 2])
    """
    if isinstance(condition, np.ndarray):
        return np.where(condition, yes, no)
    return yes if condition else no


def maximum(a: Any, b: Any) -> Any:
    """Return the larger, element by element where one is an array.

    >>> maximum(1, 2), maximum(np.array([1, 3]), 2).tolist()
    (2, [2, 3])
    """
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        return np.maximum(a, b)
    return a if a > b else b


def minimum(a: Any, b: Any) -> Any:
    """Return the smaller, element by element where one is an array.

    >>> minimum(1, 2), minimum(np.array([1, 3]), 2).tolist()
    (1, [1, 2])
    """
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        return np.minimum(a, b)
    return a if a < b else b


def ceil_div(a: Any, b: Any) -> Any:
    """Divide integers and round up.

    >>> ceil_div(7, 2), ceil_div(np.array([8, 9]), 2).tolist()
    (4, [4, 5])
    """
    return -(-a // b)


def some(condition: Any) -> bool:
    """Whether a claim holds at all: the claim itself, or any element of an array of claims.

    >>> some(False), some(np.array([False, True]))
    (False, True)
    """
    if isinstance(condition, np.ndarray):
        return bool(condition.any())
    return bool(condition)
