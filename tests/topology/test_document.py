"""YAML with the line of every field, and `--set` on top of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from netmodel.errors import InputError
from netmodel.topology.document import override, parse_yaml, read_yaml, scalar

TEXT = """\
name: small
fabric:
  link: InfiniBand-NDR   # a comment
  oversubscription: 2:1
nodes:
  - name: DGX-H100
  - {name: MI300X-8, count: 2}
"""


def test_every_field_knows_its_line():
    document = parse_yaml(TEXT, "small.yaml")
    assert document.where(("fabric", "oversubscription")) == "small.yaml:4 fabric.oversubscription"
    assert document.where(("nodes", 1, "count")) == "small.yaml:7 nodes.1.count"
    assert (
        document.where(("fabric", "radix")) == "small.yaml:2 fabric.radix"
    )  # missing: its mapping


def test_yaml_1_1_surprises_stay_text():
    """YAML 1.1 reads 2:1 as 121, no as false and 1_0 as 10."""
    document = parse_yaml("a: 2:1\nb: no\nc: 1e9\nd: '5'\ne: 0x10\nf: 12\ng:\n", "f")
    assert document.data == {
        "a": "2:1",
        "b": "no",
        "c": 1e9,
        "d": "5",
        "e": "0x10",
        "f": 12,
        "g": None,
    }


@given(st.integers(-(10**12), 10**12))
def test_integers_are_read_as_written(value):
    assert scalar(str(value)) == value
    assert type(scalar(str(value))) is int


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_floats_are_read_as_written(value):
    assert scalar(repr(value)) == value


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "f.yaml: the file is empty"),
        (b"# only a comment\n", "f.yaml: the file is empty"),
        (b"- a\n- b\n", "f.yaml:1: a list stands at the top"),
        (b"\nhello\n", "f.yaml:2: the text 'hello' stands at the top"),
        (b"a: 1\n\tb: 2\n", "f.yaml:2: a tab indents this line"),
        (b"a:\n  b: 1\n\tc: 2\n", "f.yaml:3: a tab indents this line"),
        (b"\x7fELF\x00\x01", "f.yaml: this is a binary file"),
        (b"name: x\ncity: caf\xe9\n", "f.yaml:2: this is not UTF-8 text"),
        (b"a: [1, 2\nb: 3\n", "f.yaml:2: not valid YAML"),
        (b"a: 'x\n", "not valid YAML"),
        (b"a: 1\nb: 2\na: 3\n", "f.yaml:3: a stands here and in line 1"),
        (b"a: *x\n", "f.yaml:1: not valid YAML: found undefined alias"),
        (b"a: &x\n  b: *x\n", "f.yaml:1: this alias or nesting is too deep"),
        (b"a: &x {b: 1}\nc:\n  <<: *x\n", "f.yaml:3: the merge key '<<' is not supported"),
        (b"? [1, 2]\n: 3\n", "f.yaml:1: a field name must be plain text"),
        (b"a: 1\n" * 250_000, "f.yaml: the file has 1,250,000 bytes"),
    ],
    ids=lambda value: value[:24].decode("latin-1") if isinstance(value, bytes) else None,
)
def test_a_file_that_is_no_specification_is_refused_in_one_line(content, says, tmp_path):
    path = tmp_path / "f.yaml"
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        read_yaml(path, "f.yaml")
    assert str(caught.value).startswith(says) or says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_aliases_cannot_blow_a_small_file_up():
    rows = ["a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    for i in range(1, 8):
        tens = ", ".join([f"*a{i - 1}"] * 10)
        rows.append(f"a{i}: &a{i} [{tens}]")
    with pytest.raises(InputError, match="expand too far"):
        parse_yaml("\n".join(rows), "bomb.yaml")


def test_a_missing_file_says_so(tmp_path):
    with pytest.raises(InputError, match="No such file"):
        read_yaml(tmp_path / "none.yaml", "none.yaml")


def test_set_replaces_adds_and_reaches_into_names_and_lists():
    document = parse_yaml(TEXT, "small.yaml")
    changed = override(
        document,
        ["fabric.oversubscription=3", "fabric.link.latency=1 us", "nodes.1.count=5", "gpus=8"],
        ["link"],
    )
    assert changed.data["fabric"]["oversubscription"] == 3
    assert changed.data["fabric"]["link"] == {"name": "InfiniBand-NDR", "latency": "1 us"}
    assert changed.data["nodes"][1]["count"] == 5
    assert changed.data["gpus"] == 8
    assert changed.where(("gpus",)) == "--set gpus=8"
    assert document.data["fabric"]["link"] == "InfiniBand-NDR"  # the first is left alone


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        ("fabric", "no PATH=VALUE"),
        ("=2", "no PATH=VALUE"),
        ("a..b=2", "no PATH=VALUE"),
        ("nodes.5.count=2", "the list has 2 entries, 5 is none of them"),
        ("name.deeper=2", "name is 'small', it has no fields"),
        ("gpus=[1", "not valid YAML"),
    ],
)
def test_a_wrong_set_is_refused_in_one_line(setting, says):
    with pytest.raises(InputError, match=says) as caught:
        override(parse_yaml(TEXT, "small.yaml"), [setting], ["link"])
    assert str(caught.value).startswith(f"--set {setting}")
    assert "\n" not in str(caught.value)
