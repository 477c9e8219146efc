"""Finite fields, small ones: addition and multiplication tables of GF(q)."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from netmodel.graph import IntArray


@dataclass(frozen=True, slots=True)
class Field:
    """GF(q); element e stands for the polynomial whose coefficients are the base-p digits of e.

    Attributes
    ----------
    add, multiply : int array [q, q]
        Tables of the two operations.
    powers : int array [q - 1]
        Powers of one primitive element, from its power 0 on.
    """

    add: IntArray
    multiply: IntArray
    powers: IntArray


def prime_power(q: int) -> tuple[int, int] | None:
    """Return (p, n) with q = p**n and p prime, or None.

    >>> prime_power(27), prime_power(28)
    ((3, 3), None)
    """
    if q < 2:
        return None
    p = next(k for k in range(2, q + 1) if q % k == 0)
    n, rest = 0, q
    while rest % p == 0:
        n, rest = n + 1, rest // p
    return (p, n) if rest == 1 else None


def galois_field(q: int) -> Field:
    """Build GF(q) for a prime power q."""
    found = prime_power(q)
    assert found is not None, "q must be a prime power"
    p, n = found
    digits = np.array(list(itertools.product(range(p), repeat=n)))[:, ::-1]  # lowest power first
    weights = p ** np.arange(n)
    add = ((digits[:, None, :] + digits[None, :, :]) % p) @ weights
    for tail in digits:  # x**n = -(tail), until that makes a field
        multiply = _products(digits, tail, p) @ weights
        if (np.sort(multiply[1:, 1:], axis=1) == np.arange(1, q)).all():
            break
    for candidate in range(1, q):
        powers = [1]
        while len(powers) < q - 1:
            powers.append(int(multiply[powers[-1], candidate]))
        if len(set(powers)) == q - 1:
            break
    return Field(add, multiply, np.array(powers))


def _products(digits: IntArray, tail: IntArray, p: int) -> IntArray:
    """Coefficients of all products, reduced by x**n = -tail."""
    q, n = digits.shape
    product = np.zeros((q, q, 2 * n - 1), int)
    for i in range(n):
        for j in range(n):
            product[:, :, i + j] += digits[:, None, i] * digits[None, :, j]
    for high in range(2 * n - 2, n - 1, -1):
        product[:, :, high - n : high] -= product[:, :, high, None] * tail
        product[:, :, high] = 0
    reduced: IntArray = product[:, :, :n] % p
    return reduced
