"""Exact parameter counts and training FLOPs of published models."""

import netmodel as nm
from netmodel.workload import flops_per_token, parameters

print(f"{'model':<18}{'parameters':>20}{'active':>18}{'GFLOP/token':>13}")
for name in ("gpt3-175b", "llama-3.1-405b", "mixtral-8x7b", "deepseek-v2", "deepseek-v3"):
    model = nm.load_model(name)
    count = parameters(model)
    flops = flops_per_token(model, 4096, causal=True)
    print(f"{name:<18}{count.total:>20,}{count.active:>18,}{flops / 1e9:>13.1f}")
