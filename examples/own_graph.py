"""Any NetworkX graph with kinds and bandwidths is a cluster: build one, cut a cable, ask again."""

import netmodel as nm
import networkx as nx

GB = 1e9
graph = nx.Graph(name="two-leaves")
for spine in range(2):
    graph.add_node(f"spine{spine}", kind="spine")
for leaf in range(2):
    graph.add_node(f"leaf{leaf}", kind="leaf")
for host in range(4):
    graph.add_node(f"switch{host}", kind="nvswitch")
    for gpu in range(8):
        name = f"host{host}-gpu{gpu}"
        graph.add_node(name, kind="gpu", accelerator="H100", node=host)
        graph.add_node(f"{name}-nic", kind="nic", node=host)

cable = {"cables": 1, "link": "InfiniBand-NDR", "latency": 1e-6}
for host in range(4):
    for gpu in range(8):
        name = f"host{host}-gpu{gpu}"
        graph.add_edge(
            name,
            f"switch{host}",
            bandwidth=450 * GB,
            latency=3e-7,
            cables=18,
            link="NVLink4",
            tier="nvlink",
        )
        graph.add_edge(
            name, f"{name}-nic", bandwidth=63 * GB, **(cable | {"link": "PCIe5-x16"}), tier="pcie"
        )
        graph.add_edge(
            f"{name}-nic", f"leaf{host // 2}", bandwidth=50 * GB, **cable, tier="host-leaf"
        )
for leaf in range(2):
    for spine in range(2):
        graph.add_edge(
            f"leaf{leaf}",
            f"spine{spine}",
            bandwidth=400 * GB,
            **(cable | {"cables": 8}),
            tier="leaf-spine",
        )

layout = "tp=2,pp=2,global_batch=256"
before = nm.step("llama-3.1-8b", graph, layout, gpus=32, seq_len=4096)
exchange = nm.collective("all_to_all", 2**30, graph).time[0]

graph.remove_edge("leaf0", "spine1")
after = nm.step("llama-3.1-8b", graph, layout, gpus=32, seq_len=4096)
cut = nm.collective("all_to_all", 2**30, graph).time[0]

print(f"training step     {before.step_time:.2f} s, with one uplink cut {after.step_time:.2f} s")
print(f"1 GiB all-to-all  {exchange * 1e3:.0f} ms, with one uplink cut {cut * 1e3:.0f} ms")
