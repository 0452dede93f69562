"""YAML as programs write it: of nodes that were read, or of values. What is written reads back to the same texts."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal

from twinstorm.scenarios.language.errors import Place, Source
from twinstorm.scenarios.language.nodes import ListNode, MapNode, Node, ScalarNode

_PLAIN = re.compile(r"[A-Za-z0-9]([A-Za-z0-9 _./%*=<>+()-]*[A-Za-z0-9_./%*=<>+()-])?")
_NO_TEXT = re.compile(r"(?i:true|false|yes|no|on|off|y|n|null)|0[xX][0-9a-fA-F_]+|[0-9][0-9eEoO._:TtZz +-]*")
"""What other readers of YAML take for a number, a date, or one of yes and no."""

Written = str | int | float | Decimal | bool | Sequence["Written"] | Mapping[str, "Written"]
"""What a document is made of that a program writes."""

_NOWHERE = Place(Source("", ""))


def written(value: Written) -> Node:
    """A node of a document that a program writes. A text stays one for whoever reads it, a number a number."""
    match value:
        case str():
            return ScalarNode("", _NOWHERE, _NOWHERE, value, is_plain=False)
        case bool():
            return ScalarNode("", _NOWHERE, _NOWHERE, str(value).lower())
        case int() | float() | Decimal():
            return ScalarNode("", _NOWHERE, _NOWHERE, f"{Decimal(str(value)):f}")
        case Mapping():
            entries = {key: written(each) for key, each in value.items()}
            return MapNode("", _NOWHERE, _NOWHERE, entries)
        case _:
            return ListNode("", _NOWHERE, _NOWHERE, [written(each) for each in value])


def dump(node: Node) -> str:
    """YAML text that reads back to the same keys and texts. Comments and layout are not kept."""
    return "\n".join([*_rows(node, ""), ""])


def _rows(node: Node, indent: str) -> Iterator[str]:
    if isinstance(node, MapNode):
        for key, value in node.entries.items():
            yield from _row(f"{indent}{_scalar(key)}:", value, indent)
    elif isinstance(node, ListNode):
        for item in node.items:
            yield from _row(f"{indent}-", item, indent)
    elif isinstance(node, ScalarNode):
        yield indent + _text_of(node)


def _row(head: str, value: Node, indent: str) -> Iterator[str]:
    if isinstance(value, ScalarNode):
        yield f"{head} {_text_of(value)}".rstrip()
    elif (isinstance(value, MapNode) and value.entries) or (isinstance(value, ListNode) and value.items):
        yield head
        yield from _rows(value, indent + "  ")
    else:
        yield f"{head} {'{}' if isinstance(value, MapNode) else '[]'}"


def _text_of(node: ScalarNode) -> str:
    if node.is_absent:
        return ""
    keeps_quotes = not node.is_plain and _NO_TEXT.fullmatch(node.text)
    return f'"{node.text}"' if keeps_quotes else _scalar(node.text)


def _scalar(text: str) -> str:
    if _PLAIN.fullmatch(text):
        return text
    return f'"{"".join(_escaped(character) for character in text)}"'


def _escaped(character: str) -> str:
    """As it stands between double quotes."""
    if character in '"\\':
        return "\\" + character
    if character.isprintable():
        return character
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
