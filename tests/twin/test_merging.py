"""Merged deliveries hold the same readings, in an order that no device can tell from its own."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from twinstorm.twin.flow import Delivery, Malformed, Readings
from twinstorm.twin.wire.merging import merged

KINDS = {"motor": (0, 3), "environment": (3, 6)}
"""Devices of each."""

PARTS = st.lists(
    st.tuples(st.sampled_from(sorted(KINDS)), st.sampled_from(["sparse", "dense", "again", "unreadable"])), max_size=12
)


def delivery(kind: str, how: str, number: int) -> Delivery:
    first, last = KINDS[kind]
    n = last - first
    if how == "unreadable":
        nothing = np.empty(0, np.int64)
        return Delivery(None, nothing, number, (Malformed("t", b"{", number, "not JSON"),))
    readings = Readings(
        kind=kind,
        device=np.arange(first, last, dtype=np.int32),
        boot=np.ones(n, np.int32),
        seq=np.full(n, number, np.int64),
        device_time_us=np.zeros(n, np.int64),
        sent_us=np.zeros(n, np.int64),
        values=np.zeros((n, 2), np.float32),
        dense_from=first if how == "dense" else -1,
        duplicate=how == "again",
    )
    return Delivery(readings, np.full(n, number, np.int64), number)


def by_device(deliveries: tuple[Delivery, ...]) -> dict[int, list[tuple[int, int, bool]]]:
    """What came from each device, in its order: number, arrival, whether it was a repeat."""
    seen: dict[int, list[tuple[int, int, bool]]] = {}
    for each in deliveries:
        if each.readings is None:
            continue
        for device, seq, at_us in zip(each.readings.device, each.readings.seq, each.arrived_us, strict=True):
            assert at_us <= each.last_us
            seen.setdefault(int(device), []).append((int(seq), int(at_us), each.readings.duplicate))
    return seen


@given(PARTS)
def test_every_device_is_heard_in_its_order(parts: list[tuple[str, str]]) -> None:
    sent = tuple(delivery(kind, how, number) for number, (kind, how) in enumerate(parts))
    got = merged(sent)
    assert by_device(got) == by_device(sent)
    assert [one.reason for each in got for one in each.malformed] == [
        one.reason for each in sent for one in each.malformed
    ]


def test_readings_of_two_kinds_in_turns_become_two_deliveries() -> None:
    got = merged(delivery(kind, "sparse", number) for number, kind in enumerate(["motor", "environment"] * 5))
    assert [each.readings.kind for each in got if each.readings] == ["motor", "environment"]
    assert [len(each.arrived_us) for each in got] == [15, 15]


def test_a_dense_delivery_is_never_overtaken_by_its_kind() -> None:
    got = merged(delivery("motor", how, number) for number, how in enumerate(["sparse", "dense", "sparse"]))
    assert [each.readings.dense_from for each in got if each.readings] == [-1, 0, -1]
