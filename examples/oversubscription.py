"""What oversubscription costs: an exchange over the spines, an all-reduce, and a training step."""

import netmodel as nm

print("ratio  all-to-all  all-reduce  DeepSeek-MoE-16B step")
for ratio in (1, 2, 4, 8):
    cluster = nm.load_cluster("dgx-superpod-h100", overrides=(f"fabric.oversubscription={ratio}",))
    exchange = nm.collective("all_to_all", 2**30, cluster, 1024).time[0]
    reduction = nm.collective("all_reduce", 2**30, cluster, 1024).time[0]
    step = nm.step("deepseek-moe-16b", cluster, "ep=64,global_batch=4096", gpus=1024, seq_len=4096)
    times = f"{exchange * 1e3:>7.1f} ms  {reduction * 1e3:>7.1f} ms"
    print(f"{ratio:>4}:1  {times}  {step.step_time:>8.3f} s")
