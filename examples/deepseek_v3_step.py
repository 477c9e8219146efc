"""DeepSeek-V3's step on 2,048 H800, part by part beside what was published."""

import netmodel as nm

PUBLISHED = {  # seconds, arXiv:2505.09343 Table 4 (MPFT)
    "forward": 1.13,
    "backward": 1.99,
    "weight": 0.48,
    "pairs": 13.95,
    "bubble": 2.06,
    "optimizer": 0.29,
}
NAMES = {
    "forward": "1F",
    "backward": "1B",
    "weight": "1W",
    "pairs": "1F1B",
    "bubble": "bubble",
    "optimizer": "optimizer",
}

step = nm.step("deepseek-v3", "deepseek-h800-mpft", gpus=2048)
print("part        published [s]  netmodel [s]")
for part, seconds in PUBLISHED.items():
    print(f"{NAMES[part]:<10}  {seconds:>13.2f}  {step.view[part]:>12.2f}")
print(f"{'step':<10}  {19.93:>13.2f}  {step.step_time:>12.2f}")
hours = 14.8e12 / step.tokens_per_s_per_gpu / 3600
print(f"GPU-hours for 14.8T tokens: published 2,664K, netmodel {hours / 1e3:,.0f}K")
