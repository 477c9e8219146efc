"""How far apart the ranks of a group lie."""

from netmodel.training.placement import strides
from netmodel.workload import Strategy


def test_the_innermost_dimension_lies_side_by_side():
    apart = strides(Strategy(tp=8, cp=2, dp=4, pp=4, ep=8))
    assert (apart["tp"], apart["cp"], apart["pp"]) == (1, 8, 64)


def test_gradients_of_shared_parameters_cross_context_parallel_ranks_too():
    assert strides(Strategy(tp=4, cp=2, dp=8))["dp"] == 4


def test_experts_fold_over_tensor_parallel_ranks():
    """With one expert-tensor rank, the 64 ranks of ep lie side by side on tp and dp."""
    apart = strides(Strategy(tp=2, dp=64, pp=8, ep=64))
    assert (apart["ep"], apart["edp"]) == (1, 64)
    assert strides(Strategy(tp=4, dp=8, ep=8, etp=4))["ep"] == 4


def test_a_pipeline_inside_pushes_data_parallel_ranks_apart():
    apart = strides(Strategy(tp=2, pp=4, dp=8, order="tp-cp-pp-ep-dp"))
    assert (apart["pp"], apart["dp"], apart["ep"]) == (2, 2, 4)


def test_hybrid_shards_lie_a_shard_apart():
    assert strides(Strategy(dp=64, zero=3, shard=8))["replica"] == 8
