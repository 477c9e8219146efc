"""Layouts from the files that frameworks write themselves."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from netmodel.errors import InputError
from netmodel.workload import Strategy, complete_strategy, load_strategy, read_strategy_file
from netmodel.workload.strategy_files import _megatron_pairs

LOG = """
using world size: 256, data-parallel size: 16, context-parallel size: 1
------------------------ arguments ------------------------
  bf16 ............................................ True
  context_parallel_size ........................... 2
  data_parallel_size .............................. 8
  expert_model_parallel_size ...................... 1
  fp8 ............................................. None
  global_batch_size ............................... 512
  micro_batch_size ................................ 2
  num_layers ...................................... 96
  num_layers_per_virtual_pipeline_stage ........... 4
  overlap_grad_reduce ............................. True
  pipeline_model_parallel_size .................... 8
  recompute_granularity ........................... selective
  recompute_modules ............................... ['core_attn', 'layernorm']
  seq_length ...................................... 4096
  sequence_parallel ............................... True
  tensor_model_parallel_size ...................... 4
  use_distributed_optimizer ....................... True
-------------------- end of arguments ---------------------
"""

SCRIPT = """
python pretrain_gpt.py \\
    --tensor-model-parallel-size 2 \\
    --pipeline-model-parallel-size 8 \\
    --expert-model-parallel-size 32 \\
    --num-virtual-stages-per-pipeline-rank 4 \\
    --use-distributed-optimizer \\
    --sequence-parallel \\
    --micro-batch-size 1 \\
    --global-batch-size 2048 \\
    --fp8-format hybrid \\
    --bf16
"""

TITAN = """
[training]
local_batch_size = 2
seq_len = 8192

[parallelism]
data_parallel_replicate_degree = 2
data_parallel_shard_degree = 8
tensor_parallel_degree = 8
pipeline_parallel_degree = 4
pipeline_parallel_schedule = "Interleaved1F1B"
enable_async_tensor_parallel = true

[activation_checkpoint]
mode = "full"
"""

DEEPSPEED = {
    "train_batch_size": 256,
    "train_micro_batch_size_per_gpu": 4,
    "gradient_accumulation_steps": 2,
    "zero_optimization": {"stage": 3, "overlap_comm": True},
    "bf16": {"enabled": True},
}


def saved(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, "utf-8")
    return path


def test_megatrons_argument_log(tmp_path: Path) -> None:
    found = read_strategy_file(saved(tmp_path, "train.log", LOG))
    assert (found.framework, found.seq_len) == ("megatron", 4096)
    assert found.strategy == Strategy(
        tp=4, pp=8, cp=2, dp=8, vpp=3, micro_batch=2, global_batch=512, zero=1,
        schedule="interleaved", recompute="core+norm", precision="bf16",
    )  # fmt: skip
    complete_strategy(found.strategy, 512)


def test_megatrons_command_line(tmp_path: Path) -> None:
    found = load_strategy(str(saved(tmp_path, "run.sh", SCRIPT)))
    assert (found.tp, found.pp, found.ep, found.vpp, found.dp) == (2, 8, 32, 4, 0)
    assert (found.zero, found.precision, found.recompute) == (1, "fp8", "none")
    assert found.overlap_dp is False


def test_old_megatron_recomputes_everything_when_it_checkpoints() -> None:
    pairs = _megatron_pairs(" checkpoint_activations .......... True\n fp16 ........ True")
    assert pairs == {"checkpoint_activations": True, "fp16": True}


def test_torchtitan(tmp_path: Path) -> None:
    found = read_strategy_file(saved(tmp_path, "llama.toml", TITAN))
    assert (found.framework, found.seq_len) == ("torchtitan", 8192)
    plan = found.strategy
    assert (plan.tp, plan.pp, plan.dp, plan.shard, plan.zero) == (8, 4, 16, 8, 3)
    assert (plan.schedule, plan.recompute, plan.overlap_tp) == ("interleaved", "full", True)
    assert plan.global_batch == 32


def test_torchtitan_leaves_the_rest_of_the_gpus_to_sharding(tmp_path: Path) -> None:
    text = "[training]\nglobal_batch_size = 64\n[parallelism]\ndata_parallel_shard_degree = -1\n"
    plan = load_strategy(str(saved(tmp_path, "a.toml", text)))
    assert complete_strategy(plan, 32).dp == 32


def test_deepspeed(tmp_path: Path) -> None:
    plan = load_strategy(str(saved(tmp_path, "ds.json", json.dumps(DEEPSPEED))))
    assert (plan.zero, plan.micro_batch, plan.global_batch, plan.dp) == (3, 4, 256, 32)
    assert (plan.sequence_parallel, plan.precision, plan.overlap_dp) == (False, "bf16", True)


def test_a_text_is_no_file() -> None:
    assert load_strategy("tp=8,pp=4").tp == 8
    with pytest.raises(InputError, match="key=value"):
        load_strategy("tp")


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("a.log", "nothing here", "no arguments of Megatron-LM"),
        ("a.log", " micro_batch_size ......... many", "micro_batch_size is 'many'"),
        ("a.log", LOG.replace("selective", "some"), "recompute_granularity is 'some'"),
        ("a.toml", "x = ", "not TOML"),
        ("a.toml", '[parallelism]\ntensor_parallel_degree = "8"', "tensor_parallel_degree is '8'"),
        ("a.toml", '[parallelism]\npipeline_parallel_schedule = "2F"', "gpipe"),
        ("a.toml", "parallelism = 3", "parallelism is 3"),
        ("a.toml", '[activation_checkpoint]\nmode = "half"', "mode is 'half'"),
        ("a.json", "[1]", "no JSON object"),
        ("a.json", "{", "not JSON"),
        ("a.json", '{"zero_optimization": {"stage": 4}}', "stage is 4"),
        ("a.json", '{"train_batch_size": "auto"}', "train_batch_size is 'auto'"),
        ("a.json", "", "empty"),
    ],
)
def test_a_broken_file_is_refused_in_one_line(
    tmp_path: Path, name: str, text: str, says: str
) -> None:
    path = saved(tmp_path, name, text)
    with pytest.raises(InputError) as caught:
        load_strategy(str(path))
    assert says in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        load_strategy(str(tmp_path / "absent.toml"))


@given(text=st.text(max_size=60))
def test_any_argument_text_is_pairs(text: str) -> None:
    assert isinstance(_megatron_pairs(text), dict)
