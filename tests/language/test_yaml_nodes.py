"""YAML as text with places; what a scenario does not use is refused, and no text costs more than its size."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from yaml import SafeLoader
from yaml import compose as compose_tagged

from twinstorm.scenarios.language.errors import Place, Problem, Problems, Source
from twinstorm.scenarios.language.nodes import (
    MOST_DEPTH,
    MOST_NODES,
    BrokenNode,
    ListNode,
    MapNode,
    Node,
    ScalarNode,
    child_path,
    compose,
    compose_all,
)
from twinstorm.scenarios.language.writing import Written, dump, written

REPEATABLE = settings(derandomize=True, deadline=None)

Plain = str | list["Plain"] | dict[str, "Plain"]


def composed(text: str) -> tuple[Node | None, list[Problem]]:
    problems = Problems()
    return compose(Source("a.yaml", text), problems), problems.found


def plain(node: Node | None) -> Plain:
    match node:
        case ScalarNode():
            return node.text
        case ListNode():
            return [plain(item) for item in node.items]
        case MapNode():
            return {key: plain(value) for key, value in node.entries.items()}
        case _:
            raise AssertionError(node)


def entry(text: str, *path: str | int) -> Node:
    node, found = composed(text)
    assert not found
    for step in path:
        match node:
            case MapNode() if isinstance(step, str):
                node = node.entries[step]
            case ListNode() if isinstance(step, int):
                node = node.items[step]
    assert node is not None
    return node


@pytest.mark.parametrize(
    "text", ["2.10", "no", "1:30", "on", "1e3", "0x10", "~", "null", "2030-01-07", ".inf", "1_000", "true"]
)
def test_every_scalar_is_the_text_that_was_written(text: str) -> None:
    node = entry(f"key: {text}", "key")
    assert isinstance(node, ScalarNode)
    assert node.text == text


def test_places_count_lines_and_columns_from_one() -> None:
    text = "fleet:\n  segments:\n    motors: {kind: motor, share: 80 %}\n"
    share = entry(text, "fleet", "segments", "motors", "share")
    assert (share.place.line, share.place.column, share.place.length) == (3, 34, 4)
    assert (share.key_place.line, share.key_place.column, share.key_place.length) == (3, 27, 5)
    assert share.path == "fleet.segments.motors.share"


def test_columns_count_characters_not_bytes() -> None:
    node = entry("é: ä\n名前: [x, y]\n", "名前", 1)
    assert (node.place.line, node.place.column) == (2, 9)


def test_paths_are_those_that_set_takes() -> None:
    assert entry("steps:\n- at: x\n- at: y\n", "steps", 1, "at").path == "steps[1].at"
    assert entry("firmware:\n  2.5.0: {size: x}\n", "firmware", "2.5.0", "size").path == "firmware[2.5.0].size"
    assert child_path("", "a b") == "[a b]"


def test_a_byte_order_mark_and_windows_line_ends_move_nothing() -> None:
    node = entry("a: 1\r\nb: 2\r\n", "b")
    assert (node.place.line, node.place.column) == (2, 4)


def test_a_part_of_a_value_is_found_in_plain_and_quoted_text() -> None:
    for text, column in (("k: abcdef", 6), ('k: "abcdef"', 7)):
        node = entry(text, "k")
        assert isinstance(node, ScalarNode)
        assert node.part(2, 3) == Place(node.place.source, 1, column, 3)


def test_a_part_of_a_text_that_stands_otherwise_in_the_file_is_the_whole() -> None:
    node = entry('k: "ab\\tcdef"', "k")
    assert isinstance(node, ScalarNode)
    assert node.part(2, 3) == node.place


def test_an_empty_value_is_told_from_an_empty_text() -> None:
    absent, empty = entry("k:", "k"), entry('k: ""', "k")
    assert isinstance(absent, ScalarNode)
    assert isinstance(empty, ScalarNode)
    assert (absent.is_absent, empty.is_absent) == (True, False)


REFUSED = [
    ("a: &x 1", "S107", "anchor `&x`", (1, 4)),
    ("a: 1\nb: *x", "S107", "alias `*x`", (2, 4)),
    ("a: !!str 1", "S107", "tag `tag:yaml.org,2002:str`", (1, 4)),
    (
        "a: !!python/object/apply:os.system [ls]",
        "S107",
        "tag `tag:yaml.org,2002:python/object/apply:os.system`",
        (1, 4),
    ),
    ("a: ! 1", "S107", "tag `!`", (1, 4)),
    ("!x {a: 1}", "S107", "tag `!x`", (1, 1)),
    ("a:\n  <<: {b: c}", "S107", "merge key", (2, 3)),
    ("%YAML 1.1\n---\na: b", "S107", "directive", (1, 1)),
    ("a: b\n---\nc: d", "S107", "second document", (2, 1)),
    ("a: 1\nb: 2\na: 3", "S106", "`a` stands here twice", (1, 1)),
    ("? [a, b]\n: c", "S108", "a key is one word", (1, 3)),
    ("a: {b: c", "S101", "this is not YAML", (1, 4)),
    ("a: b: c", "S101", "put a text that holds `: ` into quotes", (1, 5)),
    ("a: b\n\tc: d", "S101", "YAML takes blanks, not tabs", (2, 1)),
    ("a:\n\tb: c", "S101", "YAML takes blanks, not tabs", (2, 1)),
    ("a:\n  b: c\n   d: e", "S101", "look at the indentation", (3, 5)),
    ("a:\n  - b: c\n     d: e", "S101", "look at the indentation", (3, 7)),
    ("a:\n  - {b: c}\n   - {d: e}", "S101", "look at the indentation", (3, 4)),
    ("a:\n  b: {c: d}\n   e: f", "S101", "look at the indentation", (3, 4)),
    ("a: 'b' c", "S101", "quote sign", (1, 8)),
    ("a: {b: share[x=1] > 2 %}", "S101", "on a line of its own", (1, 13)),
    ("a: *", "S101", "`*`", (1, 4)),
    ("a: 'b", "S101", "quote sign that is not closed", (1, 4)),
    ("a: \x07", "S101", "U+0007", (1, 4)),
    ("é: b\n c: \x7fd", "S101", "U+007F", (2, 5)),
    ("a: \ud800", "S101", "U+D800", (1, 4)),
]


@pytest.mark.parametrize(("text", "code", "words", "place"), REFUSED)
def test_what_a_scenario_does_not_use_is_refused_at_its_place(
    text: str, code: str, words: str, place: tuple[int, int]
) -> None:
    _, (problem,) = composed(text)
    assert problem.code == code
    assert words in f"{problem.message} {problem.advice}"
    assert (problem.place.line, problem.place.column) == place


def test_everything_that_is_refused_is_told_at_once_and_the_rest_is_read() -> None:
    node, found = composed("a: &x 1\nb: *x\nc: !!str d\ne: f\n")
    assert [problem.code for problem in found] == ["S107", "S107", "S107"]
    assert isinstance(node, MapNode)
    assert list(node.entries) == ["a", "b", "c", "e"]
    assert isinstance(node.entries["b"], BrokenNode)


def test_the_second_of_two_equal_keys_is_left_out_and_shown() -> None:
    node, (problem,) = composed("a: 1\nb: 2\na: 3")
    assert plain(node) == {"a": "1", "b": "2"}
    assert [place.line for place in (problem.place, *problem.also)] == [1, 3]


def test_a_bomb_of_aliases_never_grows() -> None:
    bomb = "a0: &a0 [lol, lol]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 30))
    node, found = composed(bomb)
    assert {problem.code for problem in found} == {"S107"}
    assert isinstance(node, MapNode)


@pytest.mark.parametrize("opening", ["[", "{a: ", "- "])
def test_deep_nesting_is_refused_before_it_hurts(opening: str) -> None:
    _, found = composed(opening * 20_000)
    (problem,) = found
    assert problem.code == "S101"


def test_the_deepest_allowed_nesting_is_read() -> None:
    node, found = composed("[" * MOST_DEPTH + "x" + "]" * MOST_DEPTH)
    assert not found
    assert node is not None
    assert composed("[" * (MOST_DEPTH + 1) + "x" + "]" * (MOST_DEPTH + 1))[1][0].code == "S101"


def test_a_file_of_very_many_values_is_refused() -> None:
    _, (problem,) = composed("[" + "x," * (MOST_NODES + 10) + "]")
    assert "this is no scenario" in problem.message


def test_an_empty_document_is_nothing() -> None:
    assert composed("") == (None, [])
    assert composed("# only a comment\n") == (None, [])


# A surrogate is no character: it cannot be in a file that is UTF-8.
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
KEYS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20).filter(lambda key: key != "<<")


@REPEATABLE
@given(
    st.recursive(
        TEXTS,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
        max_leaves=12,
    )
)
def test_what_is_written_reads_back(tree: Plain) -> None:
    text = dump(written({"root": tree}))
    node, found = composed(text)
    assert not found, text
    assert plain(node) == {"root": tree}


@REPEATABLE
@given(TEXTS | st.sampled_from(["no", "On", "y", "null", "12", "1e3", "0x1F", "1_000", "2030-01-07", "99 %", "1.5"]))
def test_a_text_that_is_written_is_a_text_to_every_reader(text: str) -> None:
    assert tag_of(text) == "str"


@pytest.mark.parametrize(
    ("value", "tag"), [(True, "bool"), (3, "int"), (14.4, "float"), (1e-7, "float"), ([], "seq"), ({}, "map")]
)
def test_a_number_that_is_written_is_a_number_to_every_reader(value: Written, tag: str) -> None:
    assert tag_of(value) == tag


def tag_of(value: Written) -> str:
    """Which type PyYAML sees in a value behind a key."""
    node = compose_tagged(dump(written({"key": value})), SafeLoader)
    assert node is not None
    return str(node.value[0][1].tag).removeprefix("tag:yaml.org,2002:")


def test_files_of_several_documents_are_read_where_they_are_allowed() -> None:
    problems = Problems()
    text = "a: 1\n---\nb: [2]\n---\n- c\n"
    found = compose_all(Source("a.yaml", text), problems, "an OpenSLO file")
    assert [plain(node) for node in found] == [{"a": "1"}, {"b": ["2"]}, ["c"]]
    assert [node.place.line for node in found] == [1, 3, 5]
    assert not problems.found
    compose_all(Source("a.yaml", "a: &x 1\n"), problems, "an OpenSLO file")
    assert [problem.message for problem in problems.found] == ["an OpenSLO file has no anchor `&x`"]


@REPEATABLE
@given(st.text(max_size=200))
def test_no_text_surprises_the_parser(text: str) -> None:
    node, found = composed(text)
    for problem in found:
        problem.render()
    assert node is None or isinstance(node, Node)


@REPEATABLE
@given(st.text("{}[]:,-?&*!|>'\"%@`#\n\t ab<", max_size=80))
def test_no_punctuation_surprises_the_parser(text: str) -> None:
    _, found = composed(text)
    for problem in found:
        assert problem.place.line >= 0
        problem.render()
