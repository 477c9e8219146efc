r"""Seconds of one GPU's own work: matrix products, attention, memory streams.

A product of shapes m, n, k on a GPU that attains :math:`R` on an endless one takes

.. math::

    t = \frac{2mnk}{R}\Bigl(1 + \frac{k_0}{k}\Bigr)\Bigl(1 + \frac{w A}{mn}\Bigr)

: filling and draining the pipeline of multiply units costs the depth :math:`k_0`, and the last
wave of tiles is on average not full (:math:`A` outputs a wave, of which a share :math:`w` is lost
after the best tile was chosen). Where the operands' traffic takes longer than the arithmetic it
decides; the two are joined by a 4-norm, so the law is smooth in shape.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from netmodel.collectives.real import choose, root
from netmodel.workload.work import Attention, Gemm, Stream, Work


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """What one GPU attains under one software; every field may be an array.

    Attributes
    ----------
    gemm, precise : float or array
        Attained on an endless product in the step's precision and in 16 bits [FLOP/s].
    grouped : float or array
        Rate of a grouped product relative to one of all its rows together.
    attention : float or array
        Attained by a fused attention kernel at head size 128, masked half not counted [FLOP/s].
    batched : float or array
        Attained by the batched products of unfused attention [FLOP/s].
    fused : bool or array
        Whether attention is one fused (flash) kernel.
    memory : float or array
        Attained device memory bandwidth [B/s].
    element_traffic : float or array
        Traffic of elementwise kernels over what ``workload`` counts for fused ones.
    cast_traffic : float or array
        Traffic of quantising one operand element, 0 in 16 bits [B].
    width : float or array
        Operand element in the step's precision [B].
    depth : float or array
        :math:`k_0`, the inner length at which half of the rate is reached.
    wave : float or array
        :math:`w A`, outputs lost in the last wave.
    row_padding : float or array
        Rows lost on average by rounding each expert's share up to tiles.
    head_half : float or array
        Head size at which fused attention reaches half of its rate.
    block : float or array
        Tokens of one attention tile: the diagonal tiles are computed whole.
    accumulate : float or array
        Traffic a weight for adding its gradient to the sum of earlier micro-batches [B].
    softmax_forward, softmax_backward : float or array
        Traffic of one score in unfused attention [B].
    """

    gemm: Any
    precise: Any
    grouped: Any
    attention: Any
    batched: Any
    fused: Any
    memory: Any
    element_traffic: Any
    cast_traffic: Any
    width: Any
    depth: Any
    wave: Any
    row_padding: Any
    head_half: Any
    block: Any
    accumulate: Any
    softmax_forward: Any
    softmax_backward: Any


class Seconds(NamedTuple):
    """Kernel time by kind [s]."""

    gemm: Any
    attention: Any
    elementwise: Any

    @property
    def total(self) -> Any:
        """All of it."""
        return self.gemm + self.attention + self.elementwise


def norm4(a: Any, b: Any) -> Any:
    """Fourth-order norm: the larger of two times, with a smooth corner (19 % above where equal).

    >>> norm4(1.0, 0.0)
    1.0
    """
    a2, b2 = a * a, b * b
    return root(root(a2 * a2 + b2 * b2))


def product_time(
    m: Any, n: Any, k: Any, rates: Rates, *, count: Any, grouped: bool, precise: bool
) -> Any:
    """Time of ``count`` products [m, k] x [k, n] [s]."""
    flops = 2 * m * n * k * count
    width = 2 if precise else rates.width
    traffic = (m * k + k * n) * count * width + 2 * m * n * count
    rate = rates.precise if precise else rates.gemm
    outputs = m * n
    if grouped:
        rate = rate * rates.grouped * m / (m + rates.row_padding)
        outputs = outputs * count
    arithmetic = flops / rate * (1 + rates.depth / k) * (1 + rates.wave / outputs)
    return norm4(arithmetic, traffic / rates.memory)


def gemm_forward(gemm: Gemm, rates: Rates) -> Any:
    """Forward time of a product [s]."""
    return product_time(
        gemm.m,
        gemm.n,
        gemm.k,
        rates,
        count=gemm.count,
        grouped=gemm.grouped,
        precise=gemm.precise,
    )


def gemm_backward(gemm: Gemm, rates: Rates) -> Any:
    """Time of the two products that give the gradients of input and weight [s]."""
    shape = {"count": gemm.count, "grouped": gemm.grouped, "precise": gemm.precise}
    if gemm.grouped:
        return 2 * product_time(gemm.m, gemm.n, gemm.k, rates, **shape)
    return product_time(gemm.m, gemm.k, gemm.n, rates, **shape) + product_time(
        gemm.k, gemm.n, gemm.m, rates, **shape
    )


def cast_time(gemm: Gemm, rates: Rates, *, backward: bool) -> Any:
    """Time to quantise a product's activation (or its gradient) [s]."""
    if gemm.precise:
        return 0.0
    elements = gemm.m * (gemm.n if backward else gemm.k) * gemm.count
    return elements * rates.cast_traffic / rates.memory


def visible_pairs(attention: Attention, block: Any) -> Any:
    """Query-key pairs that a fused kernel computes, a head and sequence.

    Under a causal mask with as many queries as keys, half of the square and the diagonal tiles;
    with longer queries than keys (a sliding window), the whole band.
    """
    square = attention.queries * attention.keys
    if not attention.causal:
        return square
    half = 0.5 * square * (1 + block / attention.keys)
    return choose(attention.queries > attention.keys, 1.0 * square, half)


def attention_forward(attention: Attention, rates: Rates) -> tuple[Any, Any]:
    """Forward time of one attention core: products, softmax and dropout traffic [s]."""
    heads = attention.batch * attention.heads
    wide = attention.d_qk + attention.d_v
    size = 0.5 * wide
    head = (128 + rates.head_half) / 128 * size / (size + rates.head_half)
    flash = 2 * heads * visible_pairs(attention, rates.block) * wide / (rates.attention * head)
    scores = heads * attention.queries * attention.keys
    batched = 2 * scores * wide / (rates.batched * alignment(attention.d_qk))
    softmax = scores * rates.softmax_forward / rates.memory
    return choose(rates.fused, flash, batched), choose(rates.fused, 0.0, softmax)


def attention_backward(attention: Attention, rates: Rates) -> tuple[Any, Any]:
    """Backward time: five products instead of two when fused, four when not [s]."""
    core, softmax = attention_forward(attention, rates)
    ratio = rates.softmax_backward / rates.softmax_forward
    return core * choose(rates.fused, 2.5, 2.0), softmax * ratio


def alignment(head: Any) -> Any:
    """Share of the rate left when rows of 16-bit values are not a multiple of 16 bytes."""
    return choose(head % 8 == 0, 1.0, 0.25)


def stream_forward(stream: Stream, rates: Rates) -> Any:
    """Time of an elementwise pass [s]."""
    return stream.bytes * rates.element_traffic / rates.memory


def forward(work: Work, rates: Rates) -> Seconds:
    """Time of the forward work of one micro-batch in one layer, by kind [s]."""
    gemm: Any = 0.0
    elementwise: Any = 0.0
    core: Any = 0.0
    for each in work.gemms:
        gemm = gemm + gemm_forward(each, rates)
        elementwise = elementwise + cast_time(each, rates, backward=False)
    for one in work.attention:
        seconds, softmax = attention_forward(one, rates)
        core = core + seconds + softmax
    for stream in work.streams:
        elementwise = elementwise + stream_forward(stream, rates)
    return Seconds(gemm, core, elementwise)


def backward(work: Work, rates: Rates, *, accumulate: Any = 1.0) -> Seconds:
    """Time of the backward work of one micro-batch in one layer, by kind [s].

    Parameters
    ----------
    accumulate : float or array
        1 where gradients are summed over micro-batches in place, 0 where they are sent at once.

    Notes
    -----
    An elementwise pass reads the incoming gradient besides what it read before: 1.5 times.
    """
    gemm: Any = 0.0
    elementwise: Any = 0.0
    core: Any = 0.0
    for each in work.gemms:
        weights = each.k * each.n * each.count
        gemm = gemm + gemm_backward(each, rates)
        elementwise = elementwise + cast_time(each, rates, backward=True)
        elementwise = elementwise + accumulate * weights * rates.accumulate / rates.memory
    for one in work.attention:
        seconds, softmax = attention_backward(one, rates)
        core = core + seconds + softmax
    for stream in work.streams:
        elementwise = elementwise + 1.5 * stream_forward(stream, rates)
    return Seconds(gemm, core, elementwise)
