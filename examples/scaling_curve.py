"""Why does efficiency fall? DeepSeek-V3 from 1,024 to 16,384 GPUs with one global batch."""

import netmodel as nm

curve = nm.scale("deepseek-v3", "deepseek-h800-mpft", [1024, 2048, 4096, 8192, 16384])
print(curve)
print()
for point in curve.points:
    parts = sorted(point.breakdown.items(), key=lambda part: -part[1])[:4]
    words = ", ".join(f"{name} {seconds / point.step_time:.0%}" for name, seconds in parts)
    print(f"{point.gpus:>6,} GPUs: {words}")
