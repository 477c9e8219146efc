"""Arithmetic that takes a number or an array of numbers alike.

Plain Python is kept for plain numbers: a scalar answer costs no numpy call. Only operations that
IEEE 754 fixes exactly (``+ - * /`` and the square root), integer logarithms and one C library call
a power are used, so that a curve evaluated at once equals its points to the last bit.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

PLAIN = (float, int)


def is_plain(*values: Any) -> bool:
    """Whether all values are Python numbers, so that no array code is needed."""
    return all(type(value) in PLAIN for value in values)


def plain(value: Any) -> Any:
    """Turn a NumPy scalar or zero-dimensional array into a Python number; leave the rest."""
    if type(value) in PLAIN:
        return value
    if isinstance(value, np.generic) or (isinstance(value, np.ndarray) and value.ndim == 0):
        return value.item()
    return np.asarray(value)


def larger(a: Any, b: Any) -> Any:
    """Elementwise maximum."""
    if type(a) in PLAIN and type(b) in PLAIN:
        return a if a >= b else b
    return np.maximum(a, b)


def smaller(a: Any, b: Any) -> Any:
    """Elementwise minimum."""
    if type(a) in PLAIN and type(b) in PLAIN:
        return a if a <= b else b
    return np.minimum(a, b)


def choose(condition: Any, yes: Any, no: Any) -> Any:
    """``yes`` where the condition holds, else ``no``.

    >>> choose(True, 1, 2), choose(np.array([True, False]), 1, 2).tolist()
    (1, [1, 2])
    """
    if isinstance(condition, np.ndarray):
        return np.where(condition, yes, no)
    return yes if condition else no


def some(condition: Any) -> bool:
    """Whether a claim holds at all: the claim itself, or any element of an array of claims.

    >>> some(False), some(np.array([False, True]))
    (False, True)
    """
    if isinstance(condition, np.ndarray):
        return bool(condition.any())
    return bool(condition)


def both(a: Any, b: Any) -> Any:
    """Logical and."""
    if type(a) is bool and type(b) is bool:
        return a and b
    return np.logical_and(a, b)


def root(value: Any) -> Any:
    """Square root of a value that is not negative."""
    return math.sqrt(value) if type(value) in PLAIN else np.sqrt(value)


def ceil_div(a: Any, b: Any) -> Any:
    """Divide integers and round up.

    >>> ceil_div(7, 2), ceil_div(np.array([8, 9]), 2).tolist()
    (4, [4, 5])
    """
    return -(-a // b)


def floor_log2(value: Any) -> Any:
    """Largest k with 2**k <= value, for value >= 1.

    >>> floor_log2(1), floor_log2(7), floor_log2(8), floor_log2(np.array([9, 16])).tolist()
    (0, 2, 3, [3, 4])
    """
    if type(value) in PLAIN:
        return math.frexp(value)[1] - 1
    return np.frexp(np.asarray(value, float))[1] - 1


def ceil_log2(value: Any) -> Any:
    """Smallest k with 2**k >= value, for value >= 1.

    >>> ceil_log2(1), ceil_log2(7), ceil_log2(8), ceil_log2(np.array([9, 16])).tolist()
    (0, 3, 3, [4, 4])
    """
    if type(value) in PLAIN:
        mantissa, exponent = math.frexp(value)
        return exponent - (1 if mantissa == 0.5 else 0)
    mantissa, exponent = np.frexp(np.asarray(value, float))
    return exponent - (mantissa == 0.5)


def power(base: Any, exponent: Any) -> Any:
    """Raise to a power, one C library call a value, so that arrays equal their points."""
    if type(base) in PLAIN and type(exponent) in PLAIN:
        return math.pow(base, exponent)
    return _POWER(base, exponent).astype(float)


_POWER = np.frompyfunc(math.pow, 2, 1)
