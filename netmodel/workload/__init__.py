"""What follows from the model and the layout alone: parameters, FLOPs, memory, messages.

Never sees a graph; takes from ``collectives`` only its vocabulary, ``ops``.
"""

from netmodel.workload.activations import layer_activation
from netmodel.workload.config import FAMILIES, load_model, model_from_config
from netmodel.workload.demands import demands, token_vector
from netmodel.workload.fit import check_memory, what_fits
from netmodel.workload.flops import attention_flops, flops_per_token, forward_flops
from netmodel.workload.layers import layer_work
from netmodel.workload.layout import Strategy
from netmodel.workload.memory import memory
from netmodel.workload.parameters import Parameters, parameters
from netmodel.workload.recipe import DEEPSEEK, GPT_2022, MEGATRON, NEMO, ZERO, Recipe
from netmodel.workload.rules import check_strategy, possible
from netmodel.workload.stages import Stage, Stages, in_flight, stage_layers
from netmodel.workload.strategy import complete_strategy, parse_strategy
from netmodel.workload.strategy_files import StrategyFile, load_strategy, read_strategy_file
from netmodel.workload.transformer import Mla, Model, Moe
from netmodel.workload.work import Attention, Demand, Gemm, Stream, Work

__all__ = [
    "DEEPSEEK",
    "FAMILIES",
    "GPT_2022",
    "MEGATRON",
    "NEMO",
    "ZERO",
    "Attention",
    "Demand",
    "Gemm",
    "Mla",
    "Model",
    "Moe",
    "Parameters",
    "Recipe",
    "Stage",
    "Stages",
    "Strategy",
    "StrategyFile",
    "Stream",
    "Work",
    "attention_flops",
    "check_memory",
    "check_strategy",
    "complete_strategy",
    "demands",
    "flops_per_token",
    "forward_flops",
    "in_flight",
    "layer_activation",
    "layer_work",
    "load_model",
    "load_strategy",
    "memory",
    "model_from_config",
    "parameters",
    "parse_strategy",
    "possible",
    "read_strategy_file",
    "stage_layers",
    "token_vector",
    "what_fits",
]
