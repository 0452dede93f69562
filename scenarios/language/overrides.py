"""`--set PATH=VALUE`: changes the text of one value of the document, before anything is checked.

The path is the one that errors print: ``fleet.reconnect.jitter``, ``steps[0].lasts``. Items of a list are also found by
their name (``steps.outage.lasts``), and a key with a dot stands in brackets (``firmware[2.5.0].size``).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from twinstorm.scenarios.language.errors import Place, Problem, Problems, Source, closest, listed, quoted
from twinstorm.scenarios.language.nodes import (
    BrokenNode,
    ListNode,
    MapNode,
    Node,
    ScalarNode,
    child_path,
    compose,
    item_path,
)

_STEP = re.compile(r"\.?([A-Za-z0-9_-]+)|\[([^\[\]]+)\]")
_LONGEST = 4_000


@dataclass(frozen=True)
class _Step:
    """One level of a path."""

    text: str
    place: Place
    in_brackets: bool


@dataclass(frozen=True)
class Setting:
    """One ``PATH=VALUE``.

    Attributes:
        option: of the command line, which errors name.
    """

    text: str
    option: str = "--set"

    def __str__(self) -> str:
        return self.text

    @property
    def source(self) -> Source:
        return Source(f"{self.option} {self.text}", self.text, is_option=True)


def apply_setting(root: MapNode, setting: Setting, problems: Problems) -> None:
    """Change a document as one ``PATH=VALUE`` asks; what is wrong with the path is told."""
    text, source = setting.text, setting.source
    try:
        text.encode()
    except UnicodeEncodeError:
        shown = Setting(text.encode(errors="backslashreplace").decode(), setting.option)
        message, hint = f"the setting {quoted(shown.text)} is not text in UTF-8", "type it again"
        problems.add(Problem("S114", message, Place(shown.source), hint=hint))
        return
    path, sign, value = _split(text)
    steps = _steps(path, source)
    if not sign or not steps or len(text) > _LONGEST:
        hint = f"e.g. `{setting.option} fleet.reconnect.jitter=none`; the path is the one that errors print"
        place = Place(source, 1, 1, max(len(text), 1))
        problems.add(Problem("S114", f"{quoted(text)} is not PATH=VALUE", place, hint=hint))
        return
    _put(root, steps, Value(source, value, len(path) + len(sign)), problems)


def apply_devices(root: MapNode, devices: int) -> None:
    """What ``--devices N`` asks: the same as setting ``fleet.devices``."""
    source = Source(f"--devices {devices}", str(devices), is_option=True)
    place = Place(source, 1, 1, len(source.text))
    steps = [_Step(name, place, in_brackets=False) for name in ("fleet", "devices")]
    # A fleet that is no mapping has been told.
    _put(root, steps, Value(source, str(devices), 0), Problems())


def _split(setting: str) -> tuple[str, str, str]:
    """Path, equals sign, value; a sign in brackets belongs to the path."""
    depth = 0
    for at, character in enumerate(setting):
        depth += (character == "[") - (character == "]")
        if character == "=" and depth <= 0:
            return setting[:at], "=", setting[at + 1 :]
    return setting, "", ""


def _steps(path: str, source: Source) -> list[_Step]:
    """Levels of a path; empty if it is none."""
    steps: list[_Step] = []
    at, end = len(path) - len(path.lstrip()), len(path.rstrip())
    while at < end:
        match = _STEP.match(path, at, end)
        is_dotted = path[at] == "."
        if not match or (match[1] is not None and is_dotted != bool(steps)):
            return []
        group = 1 if match[1] is not None else 2
        text = match[group].strip()
        place = Place(source, 1, match.start(group) + 1, len(match[group]))
        steps.append(_Step(text, place, in_brackets=group == 2))
        at = match.end()
    return steps


@dataclass(frozen=True)
class Value:
    """The text behind the equals sign, at `offset` of the source."""

    source: Source
    text: str
    offset: int

    def node(self, path: str, key_place: Place, problems: Problems) -> Node:
        """The value as part of the document; ``[...]`` and ``{...}`` are read as they would be in the file."""
        if self.text.lstrip()[:1] in ("[", "{"):
            node = compose(self.source, problems, self.offset, path)
            if node is None:
                return BrokenNode(path, key_place, key_place)
            node.key_place = key_place
            return node
        blanks = len(self.text) - len(self.text.lstrip())
        place = Place(self.source, 1, self.offset + blanks + 1, max(len(self.text.strip()), 1))
        return ScalarNode(path, place, key_place, self.text.strip())


def _put(root: MapNode, steps: list[_Step], value: Value, problems: Problems) -> None:
    """Walk to the owner of the last step, making mappings on the way, and put the value there."""
    node: Node = root
    for step in steps[:-1]:
        if isinstance(node, MapNode):
            path = child_path(node.path, step.text)
            node = node.entries.setdefault(step.text, MapNode(path, step.place, step.place))
        elif isinstance(node, ListNode):
            index = _index(node, step, problems)
            if index is None:
                return
            node = node.items[index]
        else:
            break
    last = steps[-1]
    if isinstance(node, MapNode):
        path = child_path(node.path, last.text)
        node.entries[last.text] = value.node(path, last.place, problems)
    elif isinstance(node, ListNode):
        index = _index(node, last, problems)
        if index is not None:
            node.items[index] = value.node(item_path(node.path, index), last.place, problems)
    elif isinstance(node, ScalarNode):
        message = f"`{node.path}` is a single value: nothing lies below it"
        hint = f"set `{node.path}` itself"
        problems.add(Problem("S113", message, last.place, node.path, hint=hint))


def _index(node: ListNode, step: _Step, problems: Problems) -> int | None:
    """Place of an item in a list, by its number or its name; None, after telling, if there is none."""
    names = [_name(item) for item in node.items]
    if step.text in names:
        return names.index(step.text)
    if step.in_brackets and step.text.isdecimal() and len(step.text) < 7 and int(step.text) < len(names):
        return int(step.text)
    known = tuple(name or f"[{index}]" for index, name in enumerate(names))
    hint = f"items: {listed(known)}" if known else f"`{node.path}` is empty"
    problems.add(
        Problem(
            "S113",
            f"`{node.path}` has no item {quoted(step.text)}",
            step.place,
            node.path,
            value=step.text,
            allowed=known,
            suggestion=closest(step.text, [name for name in names if name]),
            hint=hint,
        )
    )
    return None


def _name(item: Node) -> str:
    named = item.entries.get("name") if isinstance(item, MapNode) else None
    if isinstance(named, ScalarNode):
        return named.text.strip()
    return item.text.strip() if isinstance(item, ScalarNode) else ""
