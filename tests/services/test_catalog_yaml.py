"""YAML as people and attackers write it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernelbot.domain.definition import Flaw, Node
from kernelbot.services.located_yaml import MAX_BYTES, MAX_NODES, each_once, parse, written


def plain(node: Node) -> object:
    """The values of a tree without their lines."""
    if isinstance(node.value, dict):
        return {key: plain(value) for key, value in node.value.items()}
    if isinstance(node.value, list):
        return [plain(item) for item in node.value]
    return node.value


def read(text: str) -> object:
    node, flaws = parse(text.encode(), "file.yaml")
    assert node is not None
    assert flaws == []
    return plain(node)


def refusal(content: bytes) -> Flaw:
    node, flaws = parse(content, "file.yaml")
    assert node is None
    return flaws[-1]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("1e-3", 0.001),
        ("1E3", 1000.0),
        (".5", 0.5),
        ("2.", 2.0),
        ("-7", -7),
        ("0", 0),
        ("1_000_000", 1_000_000),
        ("0x1F", 31),
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("no", "no"),
        ("on", "on"),
        ("1:30", "1:30"),
        ("'5'", "5"),
        ('"true"', "true"),
        ("2026-01-01", "2026-01-01"),
        ("1__", "1__"),
        ("_1", "_1"),
    ],
)
def test_a_plain_scalar_means_what_yaml_1_2_says(written: str, meant: object) -> None:
    value = read(f"key: {written}")

    assert value == {"key": meant}
    assert type(value["key"]) is type(meant)  # type: ignore[index]


def test_infinity_and_nan_are_numbers_for_the_reader_to_refuse() -> None:
    value = read("[.inf, -.inf, .nan]")

    assert str(value) == "[inf, -inf, nan]"


def test_flow_maps_in_json_style_comments_and_block_text_are_read() -> None:
    text = '# a comment\ncases:\n  - {"l":1, "seed":402} # more\n\n  - {l: 2}\ntext: |\n  | a | b |\n  |---|---|\n'

    assert read(text) == {
        "cases": [{"l": 1, "seed": 402}, {"l": 2}],
        "text": "| a | b |\n|---|---|\n",
    }


def test_a_byte_order_mark_is_not_part_of_the_first_key() -> None:
    assert read("\ufeffname: x") == {"name": "x"}


def test_every_value_knows_its_line() -> None:
    node, _ = parse(b"a: 1\nb:\n  - 2\n  - {c: 3,\n     d: 4}\n", "file.yaml")

    assert node is not None
    assert isinstance(node.value, dict)
    items = node.value["b"].value
    assert isinstance(items, list)
    inner = items[1]
    assert isinstance(inner.value, dict)
    assert (items[0].line, inner.value["d"].line, dict(node.key_lines)) == (3, 5, {"a": 1, "b": 2})


@pytest.mark.parametrize(
    ("content", "line", "reason"),
    [
        (b"", 0, "is empty"),
        (b"# only a comment\n", 0, "is empty"),
        (b"---\n...\n", 0, "is empty"),
        (b"a: 1\n\tb: 2\n", 2, "a tab is used for indentation"),
        (b"a: [1, 2\nb: 3\n", 2, "is not YAML"),
        (b"a: 'never closed\n", 2, "is not YAML"),
        (b"a: 1\nb: @x\n", 2, "is not YAML"),
        (b"a: &x 1\nb: *x\n", 1, "anchor or alias"),
        (b"a: *unknown\n", 1, "anchor or alias"),
        (b"a: 1\nb: !!python/object/apply:os.system ['true']\n", 2, "the YAML tag"),
        (b"a: !include secrets.yaml\n", 1, "the YAML tag"),
        (b"a: !!str 5\n", 1, "the YAML tag"),
        (b"a: 1\n---\nb: 2\n", 2, "second document"),
        (b"a: 1\nb: \xff\xfe\n", 2, "is not UTF-8: byte 0xFF at offset 8"),
        (b"a: 1\nb: \x00\n", 2, "contains a NUL byte"),
        (b"a: 1\nb: \x07\n", 2, "contains the character U+0007"),
        (b'a: 1\nb: "\\uD800"\n', 2, "stands for U+D800, half of a character"),
        (b'a: 1\n"\\udfff": b\n', 2, "stands for U+DFFF, half of a character"),
        (b'a: 1\nb: "\\U00110000"\n', 2, "\\U00110000 stands for no character"),
        (b'a: "\\U0010FFFF"\nb: "\\UFFFFFFFF"\n', 2, "\\UFFFFFFFF stands for no character"),
        (b"\xfe\xff\x00a\x00:", 1, "contains a NUL byte"),
        (b"a: " + b"x" * MAX_BYTES, 0, f"a definition may have {MAX_BYTES}"),
        (b"[" * 5000, 1, "nested more than 20 deep"),
        (b"- " * 5000, 1, "nested more than 20 deep"),
        (b"a:\n" + b"- {}\n" * (MAX_NODES // 2 + 1) * 2, MAX_NODES - 1, "values"),
    ],
)
def test_what_is_not_plain_data_is_refused_with_its_line(
    content: bytes, line: int, reason: str
) -> None:
    flaw = refusal(content)

    assert reason in flaw.reason
    assert flaw.line == line
    assert flaw.remedy


def test_an_alias_bomb_is_refused_before_it_expands() -> None:
    levels = [b"a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    levels += [f"a{at}: &a{at} [{', '.join([f'*a{at - 1}'] * 9)}]".encode() for at in range(1, 10)]

    assert "anchor or alias" in refusal(b"\n".join(levels)).reason


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("a: 1\nb: 2\na: 3\n", 3, "the key 'a' is given twice, first in line 1"),
        ("{x: {a: 1, a: 2}}", 1, "the key 'a' is given twice"),
        ("a: 1\n5: x\n", 2, "the number 5 is used as a key"),
        ("true: x\n", 1, "the truth value true is used as a key"),
        ("? [a, b]\n: x\n", 1, "a list is used as a key"),
        ("size: 010\n", 1, "010 begins with a zero"),
    ],
)
def test_a_doubtful_key_or_number_is_told_while_the_rest_stays_readable(
    text: str, line: int, reason: str
) -> None:
    node, flaws = parse(text.encode(), "file.yaml")

    assert node is not None
    assert [flaw.line for flaw in flaws] == [line]
    assert reason in flaws[0].reason


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.binary(max_size=200), st.text(max_size=200).map(str.encode)))
def test_any_bytes_are_a_tree_or_a_refusal_never_an_exception(content: bytes) -> None:
    node, flaws = parse(content, "file.yaml")

    assert node is not None or flaws


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="ab:-[]{},#&*!|>'\"%@`?\n\t 01.~<=", max_size=60))
def test_any_punctuation_is_a_tree_or_a_refusal_never_an_exception(text: str) -> None:
    node, flaws = parse(text.encode(), "file.yaml")

    assert node is not None or flaws


SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-(10**18), 10**18), st.floats(allow_nan=False),
    st.sampled_from(["no", "1e-3", "007", "0x1F", "~", "", " a ", "1:30", "a: b # c", "- x", "1__"]),
    st.text(st.characters(blacklist_categories=["Cs", "Cc"]), max_size=20),
    st.just("two\nlines\n"),
)  # fmt: skip
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text("abc", min_size=1), inner, max_size=4)
    ),
    max_leaves=12,
)


def as_node(value: object) -> Node:
    if isinstance(value, dict):
        return Node(value={key: as_node(item) for key, item in value.items()}, line=1)
    if isinstance(value, list):
        return Node(value=[as_node(item) for item in value], line=1)
    assert value is None or isinstance(value, str | int | float)
    return Node(value=value, line=1)


@settings(deadline=None)
@given(value=VALUES)
def test_what_is_written_reads_back_as_the_same_values(value: object) -> None:
    document = {"key": value}

    found = read(written(as_node(document)))

    assert found == document
    assert repr(found) == repr(document)


def test_what_is_read_again_is_remembered_and_told_under_the_name_it_has_then() -> None:
    content = b"a: 1\na: 2\n"
    with each_once():
        (first, (flaw,)), (again, (other,)) = parse(content, "one.yaml"), parse(content, "two.yaml")
    later, _ = parse(content, "one.yaml")

    assert first is again
    assert first is not later
    assert (flaw.file, other.file) == ("one.yaml", "two.yaml")
