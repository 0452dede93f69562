"""Which topic filters match a topic, without trying them all: the cost of a message does not hang on their number.

Filters without wildcards are found by one look into a dictionary, the others by walking down a trie of their levels,
which has at most two ways on at each level of the topic.
"""

from __future__ import annotations

from collections import UserDict
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

T = TypeVar("T")

_ONE, _REST = "+", "#"
_END = ""
"""Key of a filter that ends at a node; no level that follows a `/` in a trie is called like that, see `_levels`."""


class TopicIndex(UserDict[str, T]):
    """Filters of MQTT 3.1.1 and what belongs to each: a dictionary that can also be asked by topic.

    Filters that are no filters (`a+/b`, `#/a`) are kept and match nothing.

    Example:
        >>> index = TopicIndex({"a/+": 1, "a/b": 2, "#": 3, "b/#": 4})
        >>> sorted(index.matching("a/b")), list(index.matching("b")), list(index.matching("$SYS/a"))
        ([1, 2, 3], [3, 4], [])
    """

    def __init__(self, known: Mapping[str, T] | None = None) -> None:
        self._trie: dict[str, Any] = {}
        super().__init__(known)

    def __setitem__(self, name: str, value: T) -> None:
        if name not in self.data and _is_wild(name):
            node = self._trie
            for level in _levels(name):
                node = node.setdefault(level, {})
            node[_END] = name
        super().__setitem__(name, value)

    def __delitem__(self, name: str) -> None:
        super().__delitem__(name)
        if not _is_wild(name):
            return
        way = [(self._trie, "")]
        for level in _levels(name):
            node = way[-1][0][level]
            way.append((node, level))
        del way[-1][0][_END]
        for (above, _), (node, level) in zip(reversed(way[:-1]), reversed(way[1:]), strict=True):
            if node:
                break
            del above[level]

    def matching(self, topic: str) -> Iterator[T]:
        """What belongs to the filters that match a topic name."""
        if topic in self.data and not _is_wild(topic):
            yield self.data[topic]
        if self._trie:
            for name in _walk(self._trie, _levels(topic), topic.startswith("$")):
                yield self.data[name]


def _levels(name: str) -> list[str]:
    # An empty level is a level: with its slash it differs from the end.
    return [f"/{level}" for level in name.split("/")]


def _is_wild(name: str) -> bool:
    return _ONE in name or _REST in name


def _walk(root: dict[str, Any], levels: list[str], is_dollar: bool) -> Iterator[str]:
    """Filters of a trie that match these levels; a first level with `$` wants to be named.

    With a stack of its own: a topic may have 30,000 levels, and whoever subscribes chooses how deep the trie is.
    """
    ways = [(root, 0)]
    while ways:
        node, depth = ways.pop()
        named_only = is_dollar and depth == 0
        rest = node.get(f"/{_REST}")
        if rest is not None and not named_only and _END in rest:
            yield rest[_END]
        if depth == len(levels):
            if _END in node:
                yield node[_END]
            continue
        for level in {levels[depth]: None} if named_only else {levels[depth]: None, f"/{_ONE}": None}:
            below = node.get(level)
            if below is not None:
                ways.append((below, depth + 1))
