"""The index finds the filters that match, and no others, however filters come and go."""

from __future__ import annotations

from typing import Any

import pytest
from amqtt.broker import Broker
from hypothesis import given
from hypothesis import strategies as st

from twinstorm.broker.topic_index import TopicIndex

LEVELS = st.sampled_from(["a", "b", "c", "", "$SYS", "a+", "#b"])
FILTERS = st.lists(st.one_of(LEVELS, st.sampled_from(["+", "#"])), min_size=1, max_size=4).map("/".join)
TOPICS = st.lists(st.sampled_from(["a", "b", "c", "", "$SYS"]), min_size=1, max_size=4).map("/".join)


class Logger:
    def debug(self, text: str) -> None:
        """Upstream tells of what it ignores."""


class Stock:
    logger = Logger()


def matches(topic: str, topic_filter: str) -> bool:
    stock: Any = Stock()
    return bool(Broker._matches(stock, topic, topic_filter))


@given(st.lists(st.tuples(st.booleans(), FILTERS), max_size=30), st.lists(TOPICS, min_size=1, max_size=10))
def test_the_index_finds_what_a_comparison_with_each_filter_finds(
    acts: list[tuple[bool, str]], topics: list[str]
) -> None:
    index, plain = TopicIndex[str](), dict[str, str]()
    for comes, name in acts:
        if comes:
            index[name] = plain[name] = name
        elif name in plain:
            del index[name], plain[name]
    assert dict(index) == plain
    for topic in topics:
        assert sorted(index.matching(topic)) == sorted(name for name in plain if matches(topic, name)), topic


@given(st.lists(FILTERS, max_size=30, unique=True))
def test_filters_that_are_gone_leave_nothing_behind(names: list[str]) -> None:
    index = TopicIndex({name: name for name in names})
    for name in names:
        del index[name]
    assert not index._trie
    index["a/+"] = "again"
    assert list(index.matching("a/b")) == ["again"]
    index.clear()
    assert not index._trie


@pytest.mark.parametrize(
    ("topic", "names"),
    [
        ("sport", ["#", "+", "sport", "sport/#"]),
        ("sport/tennis", ["#", "+/+", "sport/#", "sport/+"]),
        ("/finance", ["#", "+/+", "/+"]),
        ("$SYS/load", ["$SYS/#", "$SYS/+"]),
    ],
)
def test_the_cases_of_the_specification(topic: str, names: list[str]) -> None:
    """MQTT 3.1.1, 4.7.1 and 4.7.2."""
    every = ["#", "+", "+/+", "/+", "sport", "sport/#", "sport/+", "$SYS/#", "$SYS/+"]
    assert sorted(TopicIndex({name: name for name in every}).matching(topic)) == sorted(names)


def test_a_message_looks_at_as_many_nodes_however_many_filters_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """A node is asked for what ends below it, for the level and for `+`: `get` of a dictionary, thrice."""

    class Node(dict[str, Any]):
        asked = 0

        def get(self, *wanted: Any) -> Any:
            Node.asked += 1
            return super().get(*wanted)

    def seen(node: dict[str, Any]) -> Node:
        return Node({key: seen(below) if isinstance(below, dict) else below for key, below in node.items()})

    def looks(filters: int) -> int:
        index = TopicIndex({f"fleet/+/device-{number}/#": number for number in range(filters)})
        monkeypatch.setattr(index, "_trie", seen(index._trie))
        Node.asked = 0
        assert list(index.matching("fleet/fra/device-7/telemetry")) == [7]
        return Node.asked

    assert looks(10) == looks(5_000) == 4 * 3


def test_levels_may_be_as_many_as_a_packet_has_room_for() -> None:
    deep = "/".join("a" * 20_000)
    index = TopicIndex({deep: 1, f"{deep}/+": 2, "/".join("+" * 20_000): 3, "a/#": 4})
    assert sorted(index.matching(deep)) == [1, 3, 4]
    assert sorted(index.matching(f"{deep}/b")) == [2, 4]
    del index[f"{deep}/+"]
    assert sorted(index.matching(f"{deep}/b")) == [4]
