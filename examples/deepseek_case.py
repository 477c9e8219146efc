"""DeepSeek from public facts: hours, dollars, watts and network of its clusters, and of a fleet.

docs/explanation/deepseek-case.md discusses what is printed here. Published figures are marked so
and cited there; all else is the model's, rounded so that a refit does not change every line.

    python examples/deepseek_case.py            # everything
    python examples/deepseek_case.py traffic    # one part: see PARTS
"""

import sys

import netmodel as nm
from netmodel.collectives.group import group_of
from netmodel.studies.amounts import Range
from netmodel.studies.bill import tally
from netmodel.studies.cost import Terms, cost, rent_of
from netmodel.studies.explain_limits import bytes_over
from netmodel.studies.explain_waterfall import occurrences
from netmodel.studies.goodput import goodput
from netmodel.studies.layouts import Request
from netmodel.studies.run import training_run
from netmodel.training.messages import span_of
from netmodel.training.pieces import even_stage, pieces
from netmodel.workload import flops_per_token, parameters

HOUR, YEAR_HOURS, KWH = 3600.0, 8760.0, 3.6e6
BATCH, LENGTH = 15_360, 4096  # of V3
RENT = 2.0  # USD a GPU-hour, as arXiv:2412.19437 Table 1 assumes
HFREDUCE = {  # GB/s of a 186 MiB all-reduce, arXiv:2408.14158 Fig. 7: NCCL, HFReduce
    16: (4.01, 8.10),
    128: (3.73, 7.78),
    512: (4.62, 7.33),
    1024: (1.63, 6.99),
}
PEER_TO_PEER = "nodes.peer_to_peer=true"  # GPU to NIC across a Rome host, not through its memory

H800 = nm.load_cluster("deepseek-h800-mpft")
FIRE_FLYER = nm.load_cluster("fire-flyer-2")


def percent(ours: float, published: float) -> str:
    """How far the first lies from the second."""
    return f"{round(ours / published - 1, 2) + 0.0:+.0%}"  # + 0.0: no minus before a zero


def fire_flyer() -> None:
    """Ten thousand A100 behind one NIC a host."""
    print("Fire-Flyer 2: 10,000 A100")
    found = cost(FIRE_FLYER, 10_000)
    megawatts = found.figure("load").typical / 1e6
    print(f"power at work        {megawatts:.1f} MW (published: just over 3, under 4)")
    print(f"energy in a year     {megawatts * YEAR_HOURS / 1e3:.0f} GWh before cooling")
    rent, _ = rent_of({"a100": 1})
    assert rent is not None
    yearly = rent.typical * HOUR * YEAR_HOURS * 10_000
    print(f"rent in a year       {yearly / 1e6:.0f} M$, were it rented as A100 are")
    built = tally({"relative-switch-hdr": 122, "relative-node-fire-flyer-2": 1250})
    usual = tally({"relative-switch-hdr": 1320, "relative-node-dgx-a100": 1250})
    print(
        f"network of the bill  {built.network_share.typical:.0%}; of DGX A100 with three tiers",
        end=" ",
    )
    print(f"{usual.network_share.typical:.0%} at {usual.total / built.total:.1f} times the price")
    print()
    print("all-reduce of 186 MiB [GB/s]")
    print(" GPUs  NCCL, published  HFReduce, published  model as cabled  NIC reached at 9 GiB/s")
    slow = nm.load_cluster("fire-flyer-2", overrides=(PEER_TO_PEER,))
    for gpus, (nccl, hfreduce) in HFREDUCE.items():
        ours = [
            nm.collective("all_reduce", 186 * 2**20, cluster, gpus).algbw[0] / 1e9
            for cluster in (FIRE_FLYER, slow)
        ]
        print(
            f"{gpus:>5}  {nccl:>15.1f}  {hfreduce:>19.1f}  {ours[0]:>15.0f}"
            f"  {ours[1]:>13.1f}, {percent(ours[1], nccl)} from NCCL"
        )
    print()
    print("step [s]                    published  model        NIC reached at 9 GiB/s")
    moe = "pp=10,micro_batch=1,global_batch=4608,precision=bf16"
    llama = "pp=4,micro_batch=1,global_batch=4096,precision=bf16"
    for model, layout, gpus, length, seconds in (
        ("llama-13b", llama, 64, 2048, 64.118),
        ("llama-13b", llama, 512, 2048, 9.717),
        ("deepseek-moe-16b", moe, 40, 4096, 79.615),
        ("deepseek-moe-16b", moe, 640, 4096, 6.535),
    ):
        steps = [
            nm.step(model, cluster, layout, gpus=gpus, seq_len=length).step_time
            for cluster in (FIRE_FLYER, slow)
        ]
        print(
            f"{model:<17} {gpus:>4} GPUs  {seconds:>9.1f}  {steps[0]:>5.0f} "
            f"({percent(steps[0], seconds)})  {percent(steps[1], steps[0]):>22}"
        )


def clusters() -> None:
    """What V2 and V3 took on 2,048 H800."""
    print("2,048 H800: published beside the model, interruptions included")
    print("model   tokens  GPU-hours published  model           at 2 $     days  GWh")
    for name, tokens, published in (
        ("deepseek-67b", 2e12, 601e3),
        ("deepseek-v2", 8.1e12, 1400e3),
        ("deepseek-v3", 14.8e12, 2664e3),
    ):
        run = training_run(nm.load_model(name), H800, 2048, tokens)
        left = goodput(H800, 2048, state=run.state).effective
        found = cost(H800, 2048, terms=Terms(rent=RENT / HOUR), run=run, effective=left)
        hours = found.figure("gpu_hours").typical
        energy = found.figure("energy").typical / KWH / 1e6
        print(
            f"{name[9:]:<6} {tokens / 1e12:>5.1f}T  {published / 1e6:>18.2f}M  "
            f"{hours / 1e6:.1f}M ({percent(hours, published)})  {hours * RENT / 1e6:>5.1f} M$"
            f"  {found.time / 86400:>6.0f}  {energy:.1f}"
        )
    extra = 119e3 + 5e3  # context extension, post-training: published, not modelled
    whole = hours + extra
    print(
        f"V3 with its published 124K hours of later stages: {whole * RENT / 1e6:.1f} M$ (5.576 M$)"
    )
    known = 601e3 + 1400e3 + 2788e3 + 147e3
    print(
        f"all published runs, 67B to R1: {known / 1e6:.1f}M GPU-hours, {known * RENT / 1e6:.1f} M$,"
        f" {known / (2048 * YEAR_HOURS):.0%} of a year of 2,048 GPUs"
    )
    needed = 14.8e12 * flops_per_token(nm.load_model("deepseek-v3"), LENGTH, causal=True)
    each = needed / (2664e3 * HOUR)
    peak = H800.accelerator.peak["bf16"]
    print(f"the published hours of V3 ask {each / 1e12:.0f} TFLOP/s of a GPU", end=", ")
    print(f"{each / peak:.0%} of its BF16 peak")
    year = 2048 * YEAR_HOURS
    print(
        f"2,048 GPUs rented for a year: {year * RENT / 1e6:.0f} M$; V3 is {2788e3 / year:.0%} of it"
    )
    made = cost(H800, 2048).bill
    host = tally({"node-h100": 1}).total
    bought = made.network + 256 * host
    print(
        f"bought, each host at the price of an H100 one: {bought / 1e6:.0f} M$, of which network"
        f" {made.network / 1e6:.1f} M$ ({made.network / bought:.0%}); the 5.576 M$ are"
        f" {5.576e6 / bought:.0%}"
    )
    print(f"50,000 GPUs offer {50_000 * YEAR_HOURS / 1e6:.0f}M GPU-hours a year; V3 is", end=" ")
    print(f"{2788e3 / (50_000 * YEAR_HOURS):.1%} of that")


def planes() -> None:
    """Multi-plane against multi-rail, what V3 needs of its network, and the cut NVLink."""
    print("One step of V3 on 2,048 GPUs")
    mpft = nm.step("deepseek-v3", H800, gpus=2048)
    print(f"step                     {percent(mpft.step_time, 19.926)} (published 19.926 s)")
    experts = mpft.breakdown["ep"] + mpft.hidden["ep"]
    print(f"expert communication     {experts / mpft.step_time:.0%} of the step", end=", ")
    print(f"{mpft.hidden['ep'] / experts:.0%} of it hidden under compute")
    for fidelity in ("closed", "contention"):
        one, other = (
            nm.step("deepseek-v3", name, gpus=2048, fidelity=fidelity).step_time
            for name in (H800.name, "deepseek-h800-mrft")
        )
        print(f"MRFT, {fidelity:<18} {other / one - 1:+.1%} (published +0.1 %)")
    for what, change in (
        ("leaves 4:1 to spines", "fabric.oversubscription=4"),
        ("NICs at half rate", "nodes.nic_bandwidth=25 GB/s"),
        ("NVLink of the H100", "nodes.name=DGX-H100"),
    ):
        print(f"{what:<24} {change_of('deepseek-v3', mpft.strategy, 4096, change)}")
    dense = "tp=8,pp=16,zero=1,global_batch=1024,sequence_parallel=true,recompute=full"
    slower = change_of("llama-3.1-405b", dense, 8192, "nodes.name=DGX-H100")
    print(f"the same for dense 405B  {slower}, its tensor parallelism is on NVLink")


def change_of(model: str, layout: nm.Strategy | str, seq_len: int, change: str) -> str:
    """How much longer a step is on a changed cluster, the layout kept."""
    before, after = (
        nm.step(model, cluster, layout, gpus=2048, seq_len=seq_len).step_time
        for cluster in (H800, nm.load_cluster(H800.name, overrides=(change,)))
    )
    return percent(after, before)


def network_bytes(model: nm.Model, layout: str | None) -> tuple[float, nm.Strategy]:
    """Bytes that leave the hosts for each trained token, and the layout."""
    request = Request(strategy=layout, global_batch=BATCH, seq_len=LENGTH)
    choice = training_run(model, H800, 2048, request=request).choice
    given = pieces(
        model, H800, choice.strategy, gpus=2048, seq_len=LENGTH, software=choice.software
    )
    stage, sent = even_stage(given.model, given.plan), 0.0
    for message in given.messages:
        demand = message.demand
        group = group_of(span_of(demand, given.strategy, given.fabric), demand.ranks)
        if "leaf" in group.tiers:
            times = float(demand.count * occurrences(message, given, stage))
            sent += times * bytes_over(message, given, "leaf")
    return sent * 2048 / (BATCH * LENGTH), choice.strategy


def traffic() -> None:
    """Whether a mixture of experts sends less."""
    print(f"Sent from host to host: 2,048 H800, {BATCH:,} sequences of {LENGTH:,} tokens a step")
    print("model           active/total  GFLOP/token  MB/token  kB/GFLOP  layout")
    found = {}
    for name, layout in (
        ("deepseek-67b", "pp=16,zero=1,recompute=full"),
        ("llama-3.1-405b", "tp=8,pp=16,zero=1,recompute=full,sequence_parallel=true"),
        ("deepseek-v2", "pp=16,ep=8,zero=1,recompute=full"),  # its published degrees
        ("deepseek-v3", None),
    ):
        model = nm.load_model(name)
        counts, flops = parameters(model), flops_per_token(model, LENGTH, causal=True)
        sent, used = network_bytes(model, layout)
        found[name] = sent, sent / flops
        strategy = f"tp={used.tp} pp={used.pp} ep={used.ep}"
        size = f"{counts.active / 1e9:.0f}B/{counts.total / 1e9:.0f}B"
        print(
            f"{name:<15} {size:>12}  {flops / 1e9:>11.0f}  {sent / 1e6:>8.1f}"
            f"  {sent / flops * 1e6:>8.1f}  {strategy}"
        )
    for name in ("deepseek-v2", "deepseek-v3"):
        pairs = zip(found[name], found["deepseek-67b"], strict=True)
        token, flop = (ours / dense for ours, dense in pairs)
        print(f"{name}: {token:.1f} times the bytes of 67B a token, {flop:.0f} times a FLOP")


def fleet() -> None:
    """Ten to twenty-five thousand H100."""
    print("A fleet of H100: bought, with buildings, energy at 0.10 $/kWh")
    print(
        "                                  network                                    own    rent"
    )
    print(
        "fabric           GPUs  purchase  $/GPU  of hosts+net  of GPUs    at work  $/GPU-h  $/GPU-h"
    )
    planes = nm.load_cluster(H800.name, overrides=("nodes.name=DGX-H100",))
    superpod = nm.load_cluster("dgx-superpod-h100")
    terms = Terms(electricity=0.10 / KWH, facility=True)
    for label, cluster, gpus in (
        ("8 planes", planes, 2_048),
        ("8 planes", planes, 10_000),
        ("three tiers", superpod, 10_000),
        ("8 planes", planes, 16_384),
        ("three tiers", superpod, 16_384),
        ("three tiers", superpod, 25_000),
    ):
        found = cost(cluster, gpus, terms=terms)
        made = found.bill
        print(
            f"{label:<12} {gpus:>8,}  {made.purchase.typical / 1e6:>5.0f} M$  "
            f"{made.network / gpus / 1e3:>4.1f}k  {span(made.network_share):>12}"
            f"  {span(made.network_over_gpus):>7}  {found.figure('load').typical / 1e6:>6.1f} MW"
            f"  {found.per_gpu_hour.typical:>7.2f}  {found.figure('rent').typical * HOUR:>7.2f}"
        )
    print()
    print("V3 to 14.8T tokens on it, the batch of 15,360 kept, interruptions included")
    print("  GPUs  efficiency  trains  days  GPU-hours")
    model = nm.load_model("deepseek-v3")
    curve = nm.scale(model, superpod, [2048, 8192, 16384, 24576])
    for point in curve.points:
        run = training_run(model, superpod, point.gpus, 14.8e12)
        lost = goodput(superpod, point.gpus, state=run.state, run=run)
        days = lost.time / 86400
        ratio = point.tokens_per_s_per_gpu / curve.points[0].tokens_per_s_per_gpu
        print(
            f"{point.gpus:>6,}  {ratio:>10.0%}  {lost.effective:>6.0%}  {days:>4.0f}"
            f"  {point.gpus * days * 24 / 1e6:>8.1f}M"
        )


def span(value: Range | None) -> str:
    """A share from low to high."""
    if value is None:
        return "-"
    return f"{value.low * 100:.0f} to {value.high * 100:.0f}%"


PARTS = {
    "fire-flyer": fire_flyer,
    "hours": clusters,
    "step": planes,
    "traffic": traffic,
    "fleet": fleet,
}
for number, name in enumerate(sys.argv[1:] or PARTS):
    if number:
        print()
    PARTS[name]()
