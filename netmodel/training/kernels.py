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

from netmodel.numeric import choose, root
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
    fused : float or array
        1 where attention is one fused (flash) kernel, else 0.
    memory : float or array
        Attained device memory bandwidth [B/s].
    element, cast, softmax, permute, loss : float or array
        Traffic of elementwise, rounding, softmax, token-moving and loss kernels over what
        ``workload`` counts for well fused ones.
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
    requantise : float or array
        Traffic a weight for rounding it to the step's precision in each micro-batch [B].
    accumulate : float or array
        Traffic a weight for adding its gradient to the sum of earlier micro-batches [B].
    """

    gemm: Any
    precise: Any
    grouped: Any
    attention: Any
    batched: Any
    fused: Any
    memory: Any
    element: Any
    cast: Any
    softmax: Any
    permute: Any
    loss: Any
    width: Any
    depth: Any
    wave: Any
    row_padding: Any
    head_half: Any
    block: Any
    requantise: Any
    accumulate: Any


class Seconds(NamedTuple):
    """Kernel time by kind [s]."""

    gemm: Any
    attention: Any
    elementwise: Any

    @property
    def total(self) -> Any:
        """All of it."""
        return self.gemm + self.attention + self.elementwise


NOTHING = Seconds(0.0, 0.0, 0.0)


def norm4(a: Any, b: Any) -> Any:
    """Fourth-order norm: the larger of two times, with a smooth corner (19 % above where equal).

    >>> norm4(1.0, 0.0)
    1.0
    """
    a2, b2 = a * a, b * b
    return root(root(a2 * a2 + b2 * b2))


def product_time(gemm: Gemm, m: Any, n: Any, k: Any, rates: Rates) -> Any:
    """Time of the products of ``gemm`` with the shapes of one pass [s]."""
    flops = 2.0 * m * n * k * gemm.count
    width = 2 if gemm.precise else rates.width
    traffic = ((m * k + k * n) * width + 2 * m * n) * gemm.count
    rate = rates.precise if gemm.precise else rates.gemm
    outputs = m * n
    if gemm.grouped:
        rate = rate * rates.grouped * gemm.m / (gemm.m + rates.row_padding)
        outputs = outputs * gemm.count
    arithmetic = flops / rate * (1 + rates.depth / k) * (1 + rates.wave / outputs)
    return norm4(arithmetic, traffic / rates.memory)


def gemm_forward(gemm: Gemm, rates: Rates) -> Any:
    """Forward time of a product [s]."""
    return product_time(gemm, gemm.m, gemm.n, gemm.k, rates)


def gemm_backward(gemm: Gemm, rates: Rates) -> tuple[Any, Any]:
    """Time of the products that give the gradients of the input and of the weight [s]."""
    return (
        product_time(gemm, gemm.m, gemm.k, gemm.n, rates),
        product_time(gemm, gemm.k, gemm.n, gemm.m, rates),
    )


def attention_forward(attention: Attention, rates: Rates) -> Any:
    """Forward time of one attention core, softmax apart where it is not fused [s].

    A fused kernel under a causal mask computes half of the square and the diagonal tiles whole;
    batched products compute the whole square.
    """
    wide = attention.d_qk + attention.d_v
    size = 0.5 * wide
    scores = 2.0 * attention.batch * attention.heads * attention.queries * attention.keys * wide
    whole = scores / (rates.batched * alignment(attention.d_qk))
    if attention.causal:
        scores = 0.5 * scores * (1 + rates.block / attention.keys)
    half = rates.head_half
    flash = scores / rates.attention * (size + half) / size * (128 / (128 + half))
    return rates.fused * flash + (1 - rates.fused) * whole


def attention_backward(rates: Rates) -> Any:
    """Backward over forward: five products instead of two when fused, four when not."""
    return 2.0 + 0.5 * rates.fused


def alignment(head: Any) -> Any:
    """Share of the rate left when rows of 16-bit values are not a multiple of 16 bytes.

    The multiply units need that; an A100 without them does 39 of 312 TFLOP/s.
    """
    return choose(head % 8 == 0, 1.0, 0.125)


def stream_time(stream: Stream, rates: Rates) -> Any:
    """Time of a memory-bound pass [s]."""
    factor = getattr(rates, stream.name) if stream.name in OWN_TRAFFIC else rates.element
    return stream.bytes * factor / rates.memory


OWN_TRAFFIC = ("cast", "softmax", "permute", "loss")
"""Streams with a traffic factor of their own."""


def forward(work: Work, rates: Rates) -> Seconds:
    """Time of the forward work of one micro-batch in one layer, by kind [s]."""
    gemm: Any = 0.0
    core: Any = 0.0
    elementwise: Any = 0.0
    rounded: Any = 0.0
    for each in work.gemms:
        gemm = gemm + gemm_forward(each, rates)
        if not each.precise:
            rounded = rounded + each.k * each.n * each.count
    elementwise = elementwise + rounded * rates.requantise / rates.memory
    for one in work.attention:
        core = core + attention_forward(one, rates)
    for stream in work.streams:
        seconds = stream_time(stream, rates)
        if stream.name == "softmax":
            core = core + seconds
        else:
            elementwise = elementwise + seconds
    return Seconds(gemm, core, elementwise)


def products(work: Work, name: str, rates: Rates, *, backward: bool) -> Any:
    """Time of the products whose names begin so, in one pass [s]."""
    seconds: Any = 0.0
    for each in work.gemms:
        if each.name.startswith(name):
            both = gemm_backward(each, rates)
            seconds = seconds + (both[0] + both[1] if backward else gemm_forward(each, rates))
    return seconds


def backward(work: Work, rates: Rates, *, accumulate: Any = 1.0) -> tuple[Seconds, Any]:
    """Time of the backward work of one micro-batch in one layer, by kind [s].

    Parameters
    ----------
    accumulate : float or array
        1 where gradients are summed over micro-batches in place, 0 where they are sent at once.

    Returns
    -------
    Seconds
    float or array
        The part that gives weight gradients, which a schedule may postpone [s].

    Notes
    -----
    An elementwise pass reads the incoming gradient besides what it read before: 1.5 times.
    """
    inputs: Any = 0.0
    weights: Any = 0.0
    core: Any = 0.0
    summed: Any = 0.0
    elementwise: Any = 0.0
    for each in work.gemms:
        of_input, of_weight = gemm_backward(each, rates)
        inputs = inputs + of_input
        weights = weights + of_weight
        summed = summed + each.k * each.n * each.count
    summed = summed * accumulate * rates.accumulate / rates.memory
    for one in work.attention:
        core = core + attention_forward(one, rates) * attention_backward(rates)
    for stream in work.streams:
        seconds = 1.5 * stream_time(stream, rates)
        if stream.name == "softmax":
            core = core + seconds
        else:
            elementwise = elementwise + seconds
    return Seconds(inputs + weights, core, elementwise + summed), weights + summed


RECOMPUTED_GEMMS = {
    "mla_up": ("q_up", "kv_up"),
    "mlp": ("mlp_up", "mlp_down"),
    "moe": ("expert_up", "expert_down", "shared_up", "shared_down"),
}
RECOMPUTED_STREAMS = {
    "core": ("softmax",),
    "norm": ("norm",),
    "activation": ("activation",),
    "mlp": ("activation",),
    "moe": ("activation", "permute"),
}


def again(work: Work, modules: frozenset[str]) -> Work:
    """Return the part of a layer's forward work that runs once more in the backward pass."""
    if not modules:
        return Work()
    if "full" in modules:
        return work
    gemms = {name for module in modules for name in RECOMPUTED_GEMMS.get(module, ())}
    streams = {name for module in modules for name in RECOMPUTED_STREAMS.get(module, ())}
    return Work(
        gemms=tuple(each for each in work.gemms if each.name in gemms),
        attention=work.attention if "core" in modules else (),
        streams=tuple(each for each in work.streams if each.name in streams),
    )
