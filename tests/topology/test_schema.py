"""Every wrong field of a file at once: one line each, with place, finding and what is allowed."""

import json

import pytest
from netmodel.errors import InputError, InputErrors
from netmodel.topology import load_cluster, make_cluster
from netmodel.topology.family import FAMILIES
from netmodel.topology.schema import json_schema

GOOD = """\
name: mine
description: a cluster of the test
sources: [hand-made]
gpus: 64
nodes: DGX-H100
fabric:
  family: rail-optimized
  switch: QM9700
  link: InfiniBand-NDR
"""


def errors_of(tmp_path, *changes):
    """Lines that loading prints after replacing texts in a good file."""
    text = GOOD
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        load_cluster(path)
    return [line.removeprefix(f"{path}:") for line in str(caught.value).splitlines()]


def test_the_good_file_is_good(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(GOOD)
    assert load_cluster(path).gpus == 64


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("gpus: 64", "gpus: many", "4 gpus: found 'many', it should be a valid integer"),
        ("gpus: 64", "gpus: 0", "4 gpus: found 0, it should be greater than or equal to 1"),
        ("gpus: 64", "gpus: 6.5", "4 gpus: found 6.5, it should be a valid integer"),
        ("sources: [hand-made]\n", "", "1 sources: the field 'sources' is missing"),
        (
            "switch: QM9700",
            "swich: QM9700",
            "8 fabric.swich: there is no field 'swich' here. Did you mean switch?",
        ),
        ("QM9700", "QM97000", "8 fabric.switch: no switch is named 'QM97000'. Did you mean qm9700"),
        (
            "InfiniBand-NDR",
            "{bandwidth: 400G, latency: 1 us}",
            "9 fabric.link.bandwidth: '400G' may mean bits or bytes",
        ),
        (
            "InfiniBand-NDR",
            "{bandwidth: 50 GB/s, latency: 1}",
            "9 fabric.link.latency: '1' has no unit",
        ),
        ("InfiniBand-NDR", "{bandwidth: -5 GB/s, latency: 1 us}", "9 fabric.link.bandwidth: "),
        (
            "rail-optimized",
            "rail-optimised",
            "7 fabric.family: no fabric family is named 'rail-optimised'. Did you mean rail-opt",
        ),
        ("  family: rail-optimized\n", "", "6 fabric.family: family is missing"),
        ("DGX-H100", "DGX-H1000", "5 nodes: no node is named 'DGX-H1000'. Did you mean dgx-h100"),
        (
            "DGX-H100",
            "{name: DGX-H100, gpu: 4}",
            "5 nodes.gpu: there is no field 'gpu' here. Did you mean gpus?",
        ),
        (
            "DGX-H100",
            "{gpus: 8}",
            "5 nodes: a node without a catalog name needs accelerator and gpus",
        ),
        (
            "DGX-H100",
            "{name: DGX-H100, accelerator: H1000}",
            "5 nodes: no accelerator is named 'H1000'",
        ),
        ("DGX-H100", "[]", "5 nodes: found [], "),
        ("QM9700", "QM9700\n  tiers: 4", "9 fabric.tiers: found 4, allowed is 1, 2, 3 or 'auto'"),
        ("QM9700", "QM9700\n  oversubscription: 0", "9 fabric.oversubscription.0: found "),
        (
            "QM9700",
            "QM9700\n  oversubscription: a:b",
            "9 fabric.oversubscription: 'a:b' is no ratio like 2 or 2:1",
        ),
        (
            "QM9700",
            "QM9700\n  leaf: {down: 60, up: 20}",
            "9 fabric.leaf: 60 cables down and 20 up need 80 of 64 ports",
        ),
        ("gpus: 64", "gpus: 999999", "4 gpus: 999,999 GPUs, but this design ends at 65,536"),
        ("fabric:", "sites: {gpus: 32}\nfabric:", "6 sites.link: the field 'link' is missing"),
    ],
)
def test_each_wrong_field_is_one_line_with_its_place(old, new, says, tmp_path):
    (line,) = (
        errors_of(tmp_path, (old, new))
        if "sites" not in new
        else errors_of(tmp_path, (old, new))[:1]
    )
    assert line.startswith(says)


def test_all_wrong_fields_come_at_once(tmp_path):
    lines = errors_of(
        tmp_path, ("gpus: 64", "gpus: x"), ("switch", "swich"), ("InfiniBand-NDR", "InfiniBand-NDX")
    )
    assert len(lines) == 3
    assert [line.split(":")[0] for line in lines] == ["4 gpus", "9 fabric.link", "8 fabric.swich"]


def test_a_misspelt_path_names_the_set_that_caused_it():
    with pytest.raises(InputError, match="no field 'oversubscriptions'") as caught:
        load_cluster("dgx-superpod-h100", ["fabric.oversubscriptions=2"])
    assert str(caught.value).startswith("--set fabric.oversubscriptions=2: ")
    assert "Did you mean oversubscription?" in str(caught.value)


def test_an_unknown_cluster_offers_near_names():
    with pytest.raises(
        InputError, match=r"no cluster is named 'deepseek-h800'. Did you mean deepseek-h800-m"
    ):
        load_cluster("deepseek-h800")


def test_a_mapping_made_in_python_is_checked_alike():
    with pytest.raises(InputErrors) as caught:
        make_cluster({"name": "x", "fabric": {"family": "fat-tree"}})
    assert len(caught.value.errors) == 5  # description, sources, gpus, nodes, fabric.link


def test_editors_get_a_json_schema_of_every_family():
    schema = json_schema()
    json.dumps(schema)
    assert len(schema["properties"]["fabric"]["anyOf"]) == len(FAMILIES)
    assert {"name", "sources", "gpus", "nodes", "fabric"} <= set(schema["required"])
