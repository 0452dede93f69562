"""YAML as text with places: mappings, lists and scalars, nothing guessed and nothing repeated.

Built from the parser's events, without recursion, so that a hostile file costs no more than its size. Anchors, aliases,
tags, merge keys, directives and further documents are refused here; every scalar stays the text that was written.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

from twinstorm.scenarios.language.errors import Place, Problem, Problems, Source, quoted, thousands

MOST_BYTES = 1 << 20
MOST_DEPTH = 20
MOST_NODES = 100_000

_LOADER: Any = getattr(yaml, "CBaseLoader", yaml.BaseLoader)

_NOT_YAML = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_SIMPLE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_MISPLACED = re.compile("mapping values are not allowed|did not find expected (key|'-' indicator|<)")
_INDENTED_KEY = re.compile(r" *(?:- +)?(?:(?<= )[A-Za-z_][A-Za-z0-9_.-]* *)?")
"""What stands before the sign to blame in a line that is only indented wrongly: nothing, or one key."""


# --- nodes ------------------------------------------------------------------------------------------------------------


@dataclass(eq=False)
class Node:
    """A part of the document.

    Attributes:
        path: as errors print it and `--set` takes it; empty for the whole document.
        place: of the value.
        key_place: of its key; of the value itself in a list.
    """

    path: str
    place: Place
    key_place: Place


@dataclass(eq=False)
class ScalarNode(Node):
    """One value, as text."""

    text: str
    is_plain: bool = True
    """Neither quoted nor a block."""

    @property
    def is_absent(self) -> bool:
        """A key with nothing behind it."""
        return self.is_plain and not self.text

    def part(self, offset: int, length: int) -> Place:
        """Place of some characters of the value; of the whole value where the text stands otherwise in the file."""
        place, text = self.place, self.text
        line = place.source.lines[place.line - 1] if place.line <= len(place.source.lines) else ""
        for column in (place.column, place.column + 1):  # Behind a quote sign it starts one column later.
            if length and text and line.startswith(text, column - 1):
                return Place(place.source, place.line, column + offset, length)
        return place


@dataclass(eq=False)
class ListNode(Node):
    items: list[Node] = field(default_factory=list)


@dataclass(eq=False)
class MapNode(Node):
    entries: dict[str, Node] = field(default_factory=dict)


@dataclass(eq=False)
class BrokenNode(Node):
    """Something that was refused. Whoever meets it says nothing more."""


def child_path(path: str, key: str) -> str:
    """Path of a key of a mapping: keys with a dot or another sign stand in brackets."""
    if _SIMPLE_KEY.fullmatch(key):
        return f"{path}.{key}" if path else key
    return f"{path}[{key}]"


def item_path(path: str, index: int) -> str:
    return f"{path}[{index}]"


# --- reading ----------------------------------------------------------------------------------------------------------


def compose(source: Source, problems: Problems, offset: int = 0, path: str = "") -> Node | None:
    """The document of a source, as far as it can be read; None if nothing can.

    Args:
        offset: where the document starts in the source's only line; for values of `--set`.
        path: of the document's root.
    """
    found = _compose(source, problems, _Builder(source, problems, offset, path))
    return found[0] if found else None


def compose_all(source: Source, problems: Problems, what: str) -> Sequence[Node]:
    """All documents of a source, as far as they can be read.

    Args:
        what: such a file is, as errors call it, with its article.
    """
    return _compose(source, problems, _Builder(source, problems, what=what, many=True))


def _compose(source: Source, problems: Problems, builder: _Builder) -> Sequence[Node]:
    offset, path = builder.offset, builder.path
    bad = _NOT_YAML.search(source.text)
    if bad:
        line, column = _line_and_column(source.text, bad.start())
        problems.add(
            Problem(
                "S101",
                f"the character U+{ord(bad[0]):04X} may not stand in {builder.what}",
                Place(source, line, column),
                path,
                hint=f"remove it: {builder.what} is plain text in UTF-8",
            )
        )
        return ()
    try:
        for event in yaml.parse(source.text[offset:], Loader=_LOADER):
            builder.take(event)
    except yaml.MarkedYAMLError as error:
        problems.add(_syntax_problem(error, source, offset, path))
        return ()
    except yaml.YAMLError as error:  # pragma: no cover - what the check above lets through has a mark
        problems.add(Problem("S101", f"this is not YAML: {error}", Place(source), path))
        return ()
    except _StopReadingError:
        return ()
    return builder.roots


class _StopReadingError(Exception):
    """The rest of the document is not worth reading; the reason has been told."""


@dataclass
class _Frame:
    """A list or mapping that is being filled."""

    node: ListNode | MapNode
    key: Node | None = None
    """Key whose value comes next."""


class _Builder:
    """Makes nodes from events."""

    def __init__(
        self,
        source: Source,
        problems: Problems,
        offset: int = 0,
        path: str = "",
        what: str = "a scenario",
        many: bool = False,
    ) -> None:
        self.roots: list[Node] = []
        self.offset, self.path, self.what = offset, path, what
        self._source, self._problems, self._many = source, problems, many
        self._open: list[_Frame] = []
        self._count = 0
        self._documents = 0

    def take(self, event: Any) -> None:
        match event:
            case yaml.ScalarEvent():
                self._refuse_extras(event)
                self._attach(ScalarNode(*self._where(event), event.value, event.implicit[0]))
            case yaml.MappingStartEvent():
                self._refuse_extras(event)
                self._push(MapNode(*self._where(event)), event)
            case yaml.SequenceStartEvent():
                self._refuse_extras(event)
                self._push(ListNode(*self._where(event)), event)
            case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                self._attach(self._open.pop().node)
            case yaml.AliasEvent():
                self._refuse(event, f"alias `*{event.anchor}`", "write the value again, or as a default of `fleet`")
                self._attach(BrokenNode(*self._where(event)))
            case yaml.DocumentStartEvent():
                self._start_document(event)

    def _start_document(self, event: Any) -> None:
        self._documents += 1
        if event.version or event.tags:
            self._refuse(event, "directive", "remove the line that begins with `%`")
        if self._documents > 1 and not self._many:
            self._refuse(event, "second document", "remove `---` and what follows: one file is one scenario")
            raise _StopReadingError

    def _refuse_extras(self, event: Any) -> None:
        self._count += 1
        if self._count > MOST_NODES:
            self._too_much(event, f"more than {thousands(MOST_NODES)} values")
        if event.anchor is not None:
            self._refuse(event, f"anchor `&{event.anchor}`", "remove it: what segments share stands under `fleet`")
        if event.tag is not None:
            self._refuse(event, f"tag {quoted(event.tag)}", "remove it: the key says which type its value has")

    def _refuse(self, event: Any, what: str, hint: str) -> None:
        path, place, _ = self._where(event)
        self._problems.add(Problem("S107", f"{self.what} has no {what}", place, path, hint=hint))

    def _too_much(self, event: Any, what: str) -> None:
        path, place, _ = self._where(event)
        hint = "look whether this is the right file"
        kind = self.what.partition(" ")[2]
        self._problems.add(Problem("S101", f"{what}: this is no {kind}", place, path, hint=hint))
        raise _StopReadingError

    def _push(self, node: ListNode | MapNode, event: Any) -> None:
        if len(self._open) == MOST_DEPTH:
            self._too_much(event, f"more than {MOST_DEPTH} levels")
        self._open.append(_Frame(node))

    def _attach(self, node: Node) -> None:
        """Put a finished node where it belongs: into a list, behind its key, or as the next key."""
        if not self._open:
            self.roots.append(node)
            return
        frame = self._open[-1]
        if isinstance(frame.node, ListNode):
            frame.node.items.append(node)
        elif frame.key is None:
            frame.key = node
        else:
            self._add_entry(frame.node, frame.key, node)
            frame.key = None

    def _add_entry(self, owner: MapNode, key: Node, value: Node) -> None:
        if not isinstance(key, ScalarNode):
            if not isinstance(key, BrokenNode):
                message, hint = "a key is one word, not a list or a mapping", "write `key: value`"
                self._problems.add(Problem("S108", message, key.place, owner.path, hint=hint))
        elif key.is_plain and key.text == "<<":
            hint = "write the keys out: what segments share stands under `fleet`"
            message = f"{self.what} has no merge key `<<`"
            self._problems.add(Problem("S107", message, key.place, owner.path, hint=hint))
        elif key.text in owner.entries:
            first = owner.entries[key.text].key_place
            self._problems.add(
                Problem(
                    "S106",
                    f"{quoted(key.text)} stands here twice",
                    first,
                    child_path(owner.path, key.text),
                    hint="remove one of the two",
                    also=(key.place,),
                )
            )
        else:
            value.key_place = key.place
            owner.entries[key.text] = value

    def _where(self, event: Any) -> tuple[str, Place, Place]:
        """Path, place and key place of the node that this event begins."""
        start, end = event.start_mark, event.end_mark
        same_line = start.line == end.line
        rest = len(self._source.lines[start.line]) - start.column if start.line < len(self._source.lines) else 1
        length = end.column - start.column if same_line else rest
        column = start.column + 1 + (self.offset if start.line == 0 else 0)
        place = Place(self._source, start.line + 1, column, max(length, 1))
        return self._next_path(), place, place

    def _next_path(self) -> str:
        if not self._open:
            return self.path
        frame = self._open[-1]
        if isinstance(frame.node, ListNode):
            return item_path(frame.node.path, len(frame.node.items))
        if isinstance(frame.key, ScalarNode):
            return child_path(frame.node.path, frame.key.text)
        return frame.node.path


def _syntax_problem(error: yaml.MarkedYAMLError, source: Source, offset: int, path: str) -> Problem:
    """What YAML's parser says, with the advice that the usual causes deserve."""
    mark = error.problem_mark or error.context_mark
    if mark and error.context_mark and not source.text[offset + mark.index :].strip():
        mark = error.context_mark  # The parser met the end of the file: what was left open says more.
    line, column = (min(mark.line, len(source.lines) - 1), mark.column) if mark else (0, 0)
    column += offset if line == 0 else 0
    text = source.lines[line]
    said = str(error.problem or error.context or "unknown reason")
    if "tab" in said or "\t" in text[: len(text) - len(text.lstrip())]:
        hint = "YAML takes blanks, not tabs: indent with blanks"
    elif _MISPLACED.search(said) and _INDENTED_KEY.fullmatch(text[:column]):
        hint = "look at the indentation: what belongs together begins in the same column"
    elif "mapping values are not allowed" in said:
        hint = "put a text that holds `: ` into quotes, or under `>`"
    elif "cannot start any token" in said:
        hint = "put a value that starts with this sign, or an expression with `%` or brackets, on a line of its own"
    elif "did not find expected ','" in said:
        hint = "close the bracket; a value with a bracket or a comma in it stands in quotes or on a line of its own"
    elif "alphabetic" in said:
        hint = "put a value that starts with `*` or `&` into quotes"
    else:
        hint = "look for a quote sign that is not closed, and at the indentation"
    place = Place(source, line + 1, column + 1)
    return Problem("S101", f"this is not YAML: {said}", place, path, hint=hint)


def _line_and_column(text: str, index: int) -> tuple[int, int]:
    before = Source("", text[:index]).lines
    return len(before), len(before[-1]) + 1


def line_of(node: Node) -> int:
    """Line of the file; 0 for what the command line says."""
    return 0 if node.place.source.is_option else node.place.line
