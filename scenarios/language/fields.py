"""Types of the fields of a scenario: how the text of a value is read, and how an editor checks it.

A field reads its part of the document into a plain value. What is wrong goes to `Problems` and the value becomes `BAD`,
so that reading goes on and everything is told at once.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

from twinstorm.scenarios.language import expressions, selectors, values
from twinstorm.scenarios.language.errors import (
    Place,
    Problem,
    Problems,
    Refused,
    Source,
    closest,
    from_top,
    listed,
    printable,
    quoted,
)
from twinstorm.scenarios.language.nodes import BrokenNode, ListNode, MapNode, Node, ScalarNode, child_path
from twinstorm.scenarios.language.quantities import Count, Quantity, Range, Rate
from twinstorm.twin.plugins import PluginError


class _Bad:
    def __repr__(self) -> str:
        return "BAD"


BAD: Final = _Bad()
"""What a value becomes that could not be read; the reason has been told."""

NOWHERE: Final = Place(Source("", ""))


class Field(ABC):
    """How one value is read."""

    @abstractmethod
    def read(self, node: Node, problems: Problems) -> Any:
        """The value, or `BAD` after telling why."""

    @abstractmethod
    def json_schema(self) -> dict[str, Any]:
        """For editors. They see values as YAML types them, so a plain number may stand where text is meant."""

    def in_full(self) -> Field:
        """The form with the most keys, of a field that may be written in several."""
        return self

    def default(self, text: str) -> Any:
        """The value of a default, written as people would."""
        return self.read(ScalarNode("", NOWHERE, NOWHERE, text), Problems())


# --- helpers ----------------------------------------------------------------------------------------------------------


def wrong(node: Node, code: str, message: str, hint: str = "", place: Place | None = None, **more: Any) -> Problem:
    """A problem of a node's value."""
    text = node.text if isinstance(node, ScalarNode) else ""
    return Problem(code, message, place or node.place, node.path, value=text, hint=hint, **more)


def unusable(node: Node, error: PluginError) -> Problem:
    """A problem of a node that names a plug-in that is broken."""
    by = f"tell those who make `{error.by}`" if error.by else "tell those who make it"
    return wrong(node, "S115", f"{error.who} cannot be used: {error.what}", f"{by}, or take another")


def refused(node: ScalarNode, reason: Refused) -> Problem:
    """A problem that a parser of values found, at its place in the file."""
    # Parsers get the text without blanks at its ends.
    offset = reason.offset + len(node.text) - len(node.text.lstrip())
    place = node.part(offset, reason.length) if reason.length else node.place
    return Problem(
        reason.code,
        reason.message,
        place,
        node.path,
        value=node.text,
        allowed=reason.allowed,
        suggestion=reason.suggestion,
        hint=reason.hint,
    )


def shape_of(node: Node) -> str:
    return {ListNode: "a list", MapNode: "a mapping"}.get(type(node), "a single value")


def unknown(
    node: Node,
    what: str,
    value: str,
    known: tuple[str, ...],
    code: str = "S104",
    hint: str = "",
    place: Place | None = None,
) -> Problem:
    """A name that is none of those known."""
    message = f"unknown {what} {quoted(value)}"
    return wrong(node, code, message, hint, place, allowed=known, suggestion=closest(value, known))


# --- single values ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Single(Field):
    """A value written as one scalar.

    Attributes:
        parse: from its text without blanks at the ends; raises `Refused`.
        pattern: regular expression of what may be written, for editors; empty: anything.
        example: shown where a value is missing.
        least, most: bounds, as people write them; empty: none.
        may_be_number: written without a unit, it is a number to YAML.
    """

    wanted: str
    parse: Callable[[str], Any]
    example: str
    pattern: str = ""
    least: str = ""
    most: str = ""
    may_be_number: bool = False

    def read(self, node: Node, problems: Problems) -> Any:
        text = scalar_text(node, problems, self.wanted, self.example)
        if text is None:
            return BAD
        assert isinstance(node, ScalarNode)
        try:
            value = self.parse(text)
        except Refused as first:
            for reason in (first, *first.others):
                problems.add(refused(node, reason))
            return BAD
        problem = self._out_of_bounds(node, text, value)
        if problem:
            problems.add(problem)
            return BAD
        return value

    def _out_of_bounds(self, node: ScalarNode, text: str, value: Any) -> Problem | None:
        low, high = (value.low, value.high) if isinstance(value, Range) else (value, value)
        if isinstance(value, Rate | Count) and value.of_fleet:
            # How many that is depends on the fleet; none of it is never meant where there is a lower bound.
            nothing = bool(self.least) and _size(value) == 0
            return wrong(node, "S210", f"{quoted(text)} is nothing", "write more than 0 %") if nothing else None
        if self.least and _size(low) < _size(self.parse(self.least)):
            return wrong(node, "S210", f"{quoted(text)} is less than {self.least}", f"write `{self.least}` or more")
        if self.most and _size(high) > _size(self.parse(self.most)):
            return wrong(node, "S210", f"{quoted(text)} is more than {self.most}", f"write `{self.most}` or less")
        return None

    def json_schema(self) -> dict[str, Any]:
        schema: dict[str, Any] = {"type": ["string", "number"] if self.may_be_number else "string"}
        if self.pattern:
            schema["pattern"] = rf"^\s*(?:{self.pattern})\s*$"
        return schema


def _size(value: Any) -> Any:
    """What bounds compare: the number inside of rates, counts and ranges."""
    if isinstance(value, Rate):
        return value.per_s
    if isinstance(value, Count | Quantity):
        return value.value
    return value.low if isinstance(value, Range) else value


def scalar_text(node: Node, problems: Problems, wanted: str, example: str = "") -> str | None:
    """Text of a single value; None, after telling why, if the node is none."""
    hint = f"write `{example}`" if example else ""
    if isinstance(node, BrokenNode):
        return None
    if not isinstance(node, ScalarNode):
        problems.add(wrong(node, "S108", f"{wanted} is wanted here, this is {shape_of(node)}", hint))
        return None
    text = node.text.strip()
    if not text:
        place = node.key_place if node.is_absent else node.place
        problems.add(wrong(node, "S214", f"{wanted} is missing", hint, place))
        return None
    return text


def duration(least: str = "", most: str = "", example: str = "90 s") -> Single:
    """Microseconds."""
    return Single("a duration", values.duration, example, values.DURATION, least, most)


class DurationOrNone(Single):
    """``none`` lies below every bound, and may be written."""

    def _out_of_bounds(self, node: ScalarNode, text: str, value: Any) -> Problem | None:
        return None if text == "none" else super()._out_of_bounds(node, text, value)


def duration_or_none(least: str = "", most: str = "", example: str = "90 s") -> Single:
    """Microseconds; 0 where it is `none`."""
    pattern = f"none|{values.DURATION}"
    return DurationOrNone("a duration or `none`", values.duration_or_none, example, pattern, least, most)


def duration_range(least: str = "", most: str = "", example: str = "8 s .. 12 s") -> Single:
    return Single("a duration or a range of durations", values.duration_range, example, values.RANGE, least, most)


def signed_range(least: str, most: str, example: str) -> Single:
    """As `duration_range`, with a sign before either end."""
    return Single(
        "a duration or a range of durations, with a sign",
        values.signed_range,
        example,
        values.SIGNED_RANGE,
        least,
        most,
    )


def share(least: str = "", most: str = "", example: str = "20 %") -> Single:
    """A fraction of 1."""
    return Single("a share", values.share, example, values.SHARE, least, most)


def rate(least: str = "", most: str = "", example: str = "500/s") -> Single:
    return Single("a rate", values.rate, example, values.RATE, least, most)


def count(least: str = "", most: str = "", example: str = "1 %") -> Single:
    return Single("a count", values.count, example, values.COUNT, least, most, may_be_number=True)


def whole(least: str = "", most: str = "", example: str = "100") -> Single:
    return Single("a whole number", values.whole, example, "[0-9]{1,15}", least, most, may_be_number=True)


def amount(unit: str, least: str, most: str, example: str) -> Single:
    """A number in just this unit."""
    return Single(f"a number of {unit}", values.amount_in(unit), example, values.QUANTITY, least, most)


def name(what: str = "a name", example: str = "my-name") -> Single:
    return Single(what, values.name, example, values.NAME)


INSTANT = Single("an instant", values.instant, "outage.end + 30 s")
SELECTOR = Single("a selector", selectors.parse, "site=fra-*")
EXPRESSION = Single("an expression", expressions.parse, "connectivity > 90 %")
CALENDAR = Single("an instant of the calendar", values.calendar, "2030-01-07T00:00:00Z")
VERSION = Single("a version", values.version, "2.4.1", may_be_number=True)


def _prose(text: str) -> str:
    return " ".join(text.split())


PROSE = Single("a text", _prose, "...")
ADDRESS = Single("an address", values.address, "https://example.org/runbooks/silence", "https?://.+")


@dataclass(frozen=True)
class Word(Field):
    """One of some names.

    Attributes:
        what: what it names, e.g. ``kind of machine``.
        known: asked when it is read, because installed plug-ins belong to it.
        later: names that the language reserves.
        code: `S204` for the settings of a thing, `S104` for things that have a name.
        all_at: where all of them are listed, if that is not the error itself.
        example: one that always fits, where the first need not.
    """

    what: str
    known: Callable[[], tuple[str, ...]]
    later: tuple[str, ...] = ()
    code: str = "S204"
    all_at: str = ""
    example: str = ""

    @property
    def wanted(self) -> str:
        return f"{'an' if self.what[0] in 'aeio' or self.what == 'SLI' else 'a'} {self.what}"

    def read(self, node: Node, problems: Problems) -> Any:
        known = self.known()
        text = scalar_text(node, problems, self.wanted, self.example or (known[0] if known else ""))
        if text is None:
            return BAD
        if text in known:
            return text
        if text in self.later:
            hint = self.all_at or f"allowed: {listed(known)}"
            problems.add(
                wrong(node, "S103", f"{self.what} {quoted(text)} is not yet in this version", hint, allowed=known)
            )
        else:
            problems.add(unknown(node, self.what, text, known, self.code, self.all_at))
        return BAD

    def json_schema(self) -> dict[str, Any]:
        return {"enum": [int(word) if word.isdecimal() else word for word in self.known()]}


def words(what: str, *known: str) -> Word:
    """One of a closed list."""
    return Word(what, lambda: known)


# --- lists ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Listing(Field):
    """A list of like things, read to a list that leaves out what could not be read."""

    wanted: str
    of: Field
    most: int = 200

    def read(self, node: Node, problems: Problems) -> Any:
        items = list_items(node, problems, self.wanted, self.most)
        read = (self.of.read(item, problems) for item in items or ())
        return BAD if items is None else [value for value in read if value is not BAD]

    def json_schema(self) -> dict[str, Any]:
        return {"type": "array", "items": self.of.json_schema(), "maxItems": self.most}


def list_items(node: Node, problems: Problems, wanted: str, most: int) -> list[Node] | None:
    """The items of a list; None, after telling why, if it is none or too long."""
    if isinstance(node, BrokenNode):
        return None
    if not isinstance(node, ListNode):
        text = node.text.strip() if isinstance(node, ScalarNode) else ""
        hint = f"write `[{printable(text)}]`" if text else "begin every entry with `-`"
        place = node.key_place if isinstance(node, MapNode) else node.place
        problems.add(wrong(node, "S108", f"{wanted} is wanted here, this is {shape_of(node)}", hint, place))
        return None
    if len(node.items) > most:
        message = f"{wanted} has at most {most} entries, this one {len(node.items)}"
        problems.add(wrong(node, "S210", message, "keep the ones that matter", node.key_place))
        return None
    return node.items


# --- mappings ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Key:
    """One key of a mapping.

    Attributes:
        summary: what it means, one line.
        default: as people would write it; empty: none.
        later: reserved, not in this version.
    """

    name: str
    field: Field
    summary: str
    required: bool = False
    default: str = ""
    later: bool = False


def later(*names: str) -> tuple[Key, ...]:
    """Keys that the language reserves."""
    return tuple(Key(name, PROSE, "not yet in this version", later=True) for name in names)


@dataclass(frozen=True)
class Record:
    """A mapping that was read.

    Attributes:
        node: None for one that is not in the file.
        read: what could be read, by key.
        nodes: where each key stands; one that is hardly misspelt stands under its right name.
    """

    table: Table
    node: MapNode | None = None
    read: Mapping[str, Any] = field(default_factory=dict)
    nodes: Mapping[str, Node] = field(default_factory=dict)

    def own(self, key: str) -> Any:
        """What the file says; None if it says nothing, or nothing that could be read."""
        return self.read.get(key)

    def value(self, key: str) -> Any:
        """What the file says, else the default."""
        if key in self.read:
            return self.read[key]
        spec = self.table.key(key)
        return spec.field.default(spec.default) if spec.default else None

    def part(self, key: str) -> Record:
        """The mapping behind a key; an empty one if there is none."""
        found = self.read.get(key)
        if isinstance(found, Record):
            return found
        table = self.table.key(key).field
        assert isinstance(table, Table), key
        return Record(table)

    def has(self, key: str) -> bool:
        """The key stands in the file, whether or not its value could be read."""
        return key in self.nodes

    def at(self, key: str) -> Node:
        """Node of a key that stands in the file."""
        return self.nodes[key]


@dataclass(frozen=True)
class Table(Field):
    """A mapping with these keys and no others.

    Attributes:
        wanted: what the mapping as a whole is.
        may_be_none: the word ``none`` may stand for it, as if the key were not there; so `--set` can take it away.
    """

    wanted: str
    keys: tuple[Key, ...]
    may_be_none: bool = False

    def key(self, name: str) -> Key:
        return next(key for key in self.keys if key.name == name)

    def read(self, node: Node, problems: Problems) -> Any:
        if self.may_be_none and isinstance(node, ScalarNode) and node.text.strip() == "none":
            return Record(self)
        if not isinstance(node, MapNode):
            tell_no_mapping(node, problems, self.wanted + (", or none," if self.may_be_none else ""))
            return BAD
        nodes: dict[str, Node] = {}
        for name, value in node.entries.items():
            meant = name if name in self.allowed else self._meant(node, name, value, problems)
            if meant:
                nodes.setdefault(meant, value)
        read: dict[str, Any] = {}
        for name, value in nodes.items():
            result = self.key(name).field.read(value, problems)
            if result is not BAD:
                read[name] = result
        for key in self.keys:
            if key.required and key.name not in nodes:
                problems.add(missing_key(node, key.name, key.summary))
        return Record(self, node, read, nodes)

    @cached_property
    def allowed(self) -> tuple[str, ...]:
        return tuple(key.name for key in self.keys if not key.later)

    def _meant(self, node: MapNode, name: str, value: Node, problems: Problems) -> str:
        """Tell of a key that cannot stand here. Returns the one that it hardly differs from, or nothing: what the key
        holds is then read as well, and nobody has to hear that the right one is missing."""
        if problems.full:
            problems.left_out += 1  # Looking for what each of very many keys could have meant would take minutes.
            return ""
        if any(key.name == name for key in self.keys):
            path, message = child_path(node.path, name), f"the key {quoted(name)} is not yet in this version"
            hint = "remove it for now"
            problems.add(Problem("S103", message, value.key_place, path, allowed=self.allowed, hint=hint))
            return ""
        problems.add(unknown_key(node, name, value, self.allowed))
        return closest(name, [key for key in self.allowed if key not in node.entries], likeness=0.8)

    def json_schema(self) -> dict[str, Any]:
        schema: dict[str, Any] = {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                key.name: key.field.json_schema() | {"description": key_description(key)}
                for key in self.keys
                if not key.later
            },
        }
        required = [key.name for key in self.keys if key.required]
        schema |= {"required": required} if required else {}
        return {"anyOf": [{"const": "none"}, schema]} if self.may_be_none else schema


@dataclass(frozen=True)
class Named(Field):
    """A mapping from names that the file chooses to like things; read to a dict."""

    wanted: str
    of: Field
    most: int = 100
    name_of: Field = field(default_factory=name)

    def read(self, node: Node, problems: Problems) -> Any:
        if not isinstance(node, MapNode):
            tell_no_mapping(node, problems, self.wanted)
            return BAD
        if len(node.entries) > self.most:
            message = f"{self.wanted} has at most {self.most} entries, this one {len(node.entries)}"
            problems.add(wrong(node, "S210", message, "keep the ones that matter", node.key_place))
            return BAD
        read: dict[str, Any] = {}
        for key, value in node.entries.items():
            self.name_of.read(ScalarNode(value.path, value.key_place, value.key_place, key), problems)
            result = self.of.read(value, problems)
            if result is not BAD:
                read[key] = result
        return read

    def json_schema(self) -> dict[str, Any]:
        return {"type": "object", "additionalProperties": self.of.json_schema(), "maxProperties": self.most}


@dataclass(frozen=True)
class Raw(Field):
    """Something whose type another key decides: the node itself."""

    wanted: str

    def read(self, node: Node, problems: Problems) -> Any:  # noqa: ARG002 - read later
        return node

    def json_schema(self) -> dict[str, Any]:
        return {}


def key_description(key: Key) -> str:
    return f"{key.summary} (default: {key.default})" if key.default else key.summary


def tell_no_mapping(node: Node, problems: Problems, wanted: str) -> None:
    if isinstance(node, BrokenNode):
        return
    hint = "write `key: value` lines under it, or `{key: value}`"
    place = node.key_place if not isinstance(node, ScalarNode) or node.is_absent else node.place
    shape = "nothing" if isinstance(node, ScalarNode) and node.is_absent else shape_of(node)
    problems.add(wrong(node, "S108", f"{wanted} is wanted here, this is {shape}", hint, place))


def missing_key(node: MapNode, key: str, summary: str) -> Problem:
    """A mapping lacks a key; told where the mapping begins."""
    path = child_path(node.path, key)
    return Problem("S105", f"the key `{key}` is missing", node.key_place, path, hint=f"add `{key}: ...` ({summary})")


def of_keys(code: str, message: str, hint: str, record: Record, keys: Sequence[str], path: str = "") -> Problem:
    """A problem of several keys of one mapping, told where each of them stands."""
    assert record.node is not None
    first, *others = from_top(record.at(key).key_place for key in keys)
    return Problem(code, message, first, path or record.node.path, hint=hint, also=tuple(others))


def unknown_key(node: MapNode, name: str, value: Node, allowed: tuple[str, ...]) -> Problem:
    """A key that means nothing here. Its path is that of the key that was probably meant: what `--set` would take."""
    suggestion = closest(name, allowed)
    hint = f"allowed: {listed(allowed, len(allowed))}" if allowed else "remove it: nothing may stand here"
    if isinstance(value, ScalarNode) and value.is_absent and not suggestion:
        hint = "inside `{...}` a comma ends a value: quote the value or give it a line of its own"
    return Problem(
        "S102",
        f"unknown key {quoted(name)}",
        value.key_place,
        child_path(node.path, suggestion or name),
        value=name,
        allowed=allowed,
        suggestion=suggestion,
        hint=hint,
    )


def walk(table: Table, path: str = "") -> Iterator[tuple[str, Key]]:
    """Every key under a table with its path; names that the file chooses stand as ``NAME``, list items as ``[n]``."""
    for key in table.keys:
        here = child_path(path, key.name)
        yield here, key
        inner = key.field.in_full()
        while isinstance(inner, Named | Listing):
            here += ".NAME" if isinstance(inner, Named) else "[n]"
            inner = inner.of
        if isinstance(inner, Table):
            yield from walk(inner, here)
