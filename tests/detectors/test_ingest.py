"""The door: validation, repeats, dead letters; dense and sparse leave the same state; nothing raises."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.detectors.lab import CHANNELS, delivery, registry_of
from twinstorm.detectors import dedupe
from twinstorm.detectors import ingest as ingest_module
from twinstorm.detectors.contract import LONG_AGO_US
from twinstorm.detectors.deadletters import KEPT, MOST_REASONS
from twinstorm.detectors.ingest import Ingest
from twinstorm.detectors.taps import Accepted
from twinstorm.twin.flow import Delivery, Malformed, Readings

FLEET = registry_of(sites=("a-1", "b-1"), motors=4, climate=2)
"""Devices 0 to 7 are motors, 8 to 11 climate sensors."""


def state(ingest: Ingest) -> dict[str, Any]:
    """Everything that must not depend on the way in."""
    current = ingest.seen.current
    columns = {name: getattr(current, name).tolist() for name in ("boot", "newest", "missing")}
    return columns | {
        "accepted": ingest.accepted,
        "repeated": ingest.repeated,
        "dead": dict(ingest.dead.counts),
        "per device": ingest.accepted_per_device.tolist(),
        "arrival": ingest.last_arrival_us.tolist(),
        "newest values": np.nan_to_num(ingest.newest, nan=-1e9).tolist(),
    }


STRETCH = st.tuples(st.sampled_from([0, 0, 0, 3, -2]), st.integers(1, 80), st.booleans())
"""Numbers skipped since the last one, how many there are, and whether the device has booted."""


@given(st.lists(st.dictionaries(st.integers(0, 7), STRETCH, min_size=1), min_size=1, max_size=5), st.randoms())
def test_stretches_leave_the_same_state_a_device_at_a_time_and_a_reading_at_a_time(batches: Any, chance: Any) -> None:
    newest, boot = [0] * 8, [1] * 8
    sent = []
    for batch in batches:
        device: list[int] = []
        boots: list[int] = []
        seq: list[int] = []
        for who in chance.sample(sorted(batch), len(batch)):
            skip, length, booted = batch[who]
            boot[who] += booted
            first = max(newest[who] + 1 + skip, 0)
            newest[who] = max(newest[who], first + length - 1)
            device += [who] * length
            boots += [boot[who]] * length
            seq += range(first, first + length)
        made = delivery(device, seq, values=[float(number % 90) for number in seq], arrived_us=list(range(len(seq))))
        assert made.readings is not None
        sent.append(replace(made, readings=replace(made.readings, boot=np.array(boots, np.int32))))

    def taken(least_run: int) -> list[Any]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(dedupe, "LEAST_RUN", least_run)
            ingest = Ingest(FLEET)
            began = [ingest.take(each) for each in sent]
        told = [None if one is None else [c.tolist() for c in (one.device, one.boot, one.at_us)] for one in began]
        memories = (ingest.seen.current, ingest.seen.former)
        return [state(ingest), told, *({name: c.tolist() for name, c in vars(one).items()} for one in memories)]

    assert taken(0) == taken(1 << 40)


class Heard:
    """A tap that keeps what it is given."""

    def __init__(self) -> None:
        self.rows: list[Any] = []

    def take(self, accepted: Accepted) -> None:
        n = len(accepted.device)
        columns = (accepted.device, accepted.boot, accepted.seq, accepted.dated_us, accepted.arrived_us)
        self.rows += list(zip(*(np.broadcast_to(column, n).tolist() for column in columns), strict=True))
        self.rows += [tuple(np.nan_to_num(row, nan=-1.0).tolist()) for row in accepted.values]


@given(
    st.lists(st.tuples(st.sets(st.integers(0, 7), min_size=1), st.sampled_from([0, 0, 0, 1, 2, 3, 4])), max_size=6),
    st.randoms(use_true_random=False),
)
def test_a_fleet_out_of_order_leaves_the_same_state_as_one_that_is_sorted_row_by_row(
    batches: list[tuple[set[int], int]], chance: Any
) -> None:
    sent, newest = [], np.zeros(8, np.int64)
    for number, (who, odd) in enumerate(batches):
        device = sorted(who)
        chance.shuffle(device)
        newest[device] += 1
        seq, values = newest[device].tolist(), [float(20 + one) for one in device]
        if odd == 1:
            seq[0] = max(seq[0] - 1, 0)
        elif odd == 2:
            values[0] = 999.0
        elif odd == 3:
            device[0] = 8  # of another kind
        elif odd == 4:
            device.append(device[0])
            seq.append(seq[0] + 1)
            values.append(30.0)
        sent.append(delivery(device, seq, values=values, arrived_us=[number * 100 + row for row in range(len(seq))]))

    def taken(scattered: int) -> list[Any]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(ingest_module, "SCATTERED", scattered)
            ingest, heard = Ingest(FLEET), Heard()
            ingest.taps.append(heard)
            for each in sent:
                ingest.take(each)
        return [state(ingest), heard.rows, [letter.source for letter in ingest.dead.newest]]

    assert taken(1 << 20) == taken(0)


def test_readings_are_accepted_once_and_repeats_counted() -> None:
    ingest = Ingest(FLEET)
    ingest.take(delivery([0, 1, 0, 1, 0], [1, 1, 2, 1, 1], arrived_us=[10, 11, 12, 13, 14]))
    assert (ingest.accepted, ingest.repeated) == (3, 2)
    assert ingest.accepted_per_device[:3].tolist() == [2, 1, 0]
    assert ingest.last_arrival_us[:3].tolist() == [12, 11, LONG_AGO_US]


def test_an_older_reading_counts_but_is_not_the_newest() -> None:
    ingest = Ingest(FLEET)
    ingest.take(delivery([0], [5], values=[20.0], arrived_us=100))
    ingest.take(delivery([0], [4], values=[30.0], arrived_us=200))
    assert ingest.accepted == 2
    assert ingest.last_arrival_us[0] == 100
    assert ingest.newest[:, 0].tolist() == [20.0, 20.0]


def test_of_several_readings_in_a_batch_the_newest_stays() -> None:
    ingest = Ingest(FLEET)
    ingest.take(delivery([0, 1, 0], [3, 1, 2], values=[30.0, 10.0, 20.0], arrived_us=[1, 2, 3]))
    assert ingest.newest[0, :2].tolist() == [30.0, 10.0]
    assert ingest.last_arrival_us[:2].tolist() == [1, 2]


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ([[150.0, 1.0]], None),
        ([[150.04, 1.0]], None),  # within half a step: it was rounded to the sensor's resolution
        ([[150.2, 1.0]], "value out of range"),
        ([[-41.0, 1.0]], "value out of range"),
        ([[20.0, np.inf]], "value out of range"),
        ([[-np.inf, 1.0]], "value out of range"),
        ([[np.nan, 1.0]], None),
        ([[np.nan, np.nan]], None),
        ([[np.nan, 51.0]], "value out of range"),
    ],
)
@pytest.mark.parametrize("dense", [True, False])
def test_values(values: Any, reason: str | None, dense: bool) -> None:
    ingest = Ingest(FLEET)
    ingest.take(delivery([0], [1], arrived_us=1))
    ingest.take(delivery([0], [2], values=values, arrived_us=2, dense=dense))
    assert dict(ingest.dead.counts) == ({} if reason is None else {reason: 1})
    assert ingest.accepted == (2 if reason is None else 1)
    assert ingest.last_arrival_us[0] == (2 if reason is None else 1)


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (delivery([0], [1], kind="toaster", channels=2), "unknown kind"),
        (delivery([8], [1]), "device is of another kind"),
        (delivery([12], [1]), "unknown device"),
        (delivery([-1], [1]), "unknown device"),
        (delivery([11], [1], dense=True, kind="motor"), "device is of another kind"),
        (delivery([12], [1], dense=True), "unknown device"),
        (delivery([0], [1], channels=3), "columns do not fit the kind"),
        (delivery([0], [1], boot=0), "boot or sequence number out of range"),
        (delivery([0], [-1]), "boot or sequence number out of range"),
        (delivery([0], [1 << 53]), "boot or sequence number out of range"),
    ],
)
def test_what_is_refused_has_its_reason(sent: Delivery, reason: str) -> None:
    ingest = Ingest(FLEET)
    assert ingest.take(sent) is None
    assert dict(ingest.dead.counts) == {reason: 1}
    assert (ingest.accepted, ingest.repeated) == (0, 0)
    (letter,) = ingest.dead.newest
    assert letter.reason == reason


def test_a_dead_letter_names_device_channel_value_and_range() -> None:
    ingest = Ingest(FLEET)
    ingest.take(delivery([1], [1], values=[[200.0, 1.0]], arrived_us=77))
    (letter,) = ingest.dead.newest
    assert (letter.arrived_us, letter.source) == (77, FLEET.names[1])
    assert letter.detail == "winding_temperature_c 200 C, allowed -40 .. 150"


def test_columns_of_different_length_are_refused_not_mixed_up() -> None:
    ingest = Ingest(FLEET)
    sound = delivery([0, 1], [1, 1])
    assert sound.readings is not None
    for broken in (
        Delivery(sound.readings, sound.arrived_us[:1], 0),
        Delivery(_replaced(sound.readings, seq=sound.readings.seq[:1]), sound.arrived_us, 0),
        Delivery(_replaced(sound.readings, present=np.ones(3, np.bool_)), sound.arrived_us, 0),
    ):
        ingest.take(broken)
    assert dict(ingest.dead.counts) == {"columns do not fit the kind": 6}


@pytest.mark.parametrize(("name", "rows"), [("sent_us", 1), ("sent_us", 9), ("received_us", 3), ("seq", 9)])
def test_a_column_of_another_length_is_told_by_name(name: str, rows: int) -> None:
    """All of a fleet in no order, as it is brought into one: what is short there would end the run."""
    sound = delivery([3, 1, 2, 0], 1)
    assert sound.readings is not None
    ingest = Ingest(FLEET)
    ingest.take(replace(sound, readings=_replaced(sound.readings, **{name: np.zeros(rows, np.int64)})))
    assert dict(ingest.dead.counts) == {"columns do not fit the kind": 4}
    assert {letter.detail for letter in ingest.dead.newest} == {f"kind motor, {name} has {rows} rows of 4"}


def _replaced(readings: Readings, **columns: Any) -> Readings:
    kept = {name: getattr(readings, name) for name in Readings.__dataclass_fields__}
    return Readings(**(kept | columns))


@pytest.mark.parametrize("dense", [True, False])
def test_an_invalid_reading_that_comes_twice_is_one_dead_letter_and_one_repeat(dense: bool) -> None:
    ingest = Ingest(FLEET)
    ingest.take(delivery([0], [1]))
    for _ in range(2):
        ingest.take(delivery([0], [2], values=[999.0], dense=dense))
    assert (ingest.accepted, ingest.repeated, sum(ingest.dead.counts.values())) == (1, 1, 1)


def test_rows_that_are_not_present_are_not_looked_at() -> None:
    ingest = Ingest(FLEET)
    garbage = [[20.0, 1.0], [np.nan, np.inf], [20.0, 1.0], [1e30, -1.0]]
    for seq in (1, 2):
        ingest.take(delivery([0, 1, 2, 3], seq, values=garbage, dense=True, present=[True, False, True, False]))
    assert ingest.accepted == 4
    assert not ingest.dead.counts
    assert ingest.accepted_per_device[:4].tolist() == [2, 0, 2, 0]
    assert np.isnan(ingest.newest[:, 1]).all()


def test_malformed_payloads_are_dead_letters_of_bounded_number_and_kind() -> None:
    ingest = Ingest(FLEET)
    payload = b"\xff" * 5_000_000
    many = tuple(Malformed("fleet/x", payload, at, f"not JSON: at byte {at}") for at in range(3))
    ingest.take(Delivery(None, np.zeros(0, np.int64), 0, many))
    assert dict(ingest.dead.counts) == {"not JSON": 3}
    assert len(ingest.dead.newest[0].detail) <= 256
    odd = tuple(Malformed("fleet/x", b"", 0, f"reason {number}") for number in range(5_000))
    ingest.take(Delivery(None, np.zeros(0, np.int64), 0, odd))
    assert sum(ingest.dead.counts.values()) == 5_003
    assert len(ingest.dead.counts) <= MOST_REASONS + 1
    assert len(ingest.dead.newest) == KEPT


def test_new_boots_are_reported_from_both_ways_in() -> None:
    ingest = Ingest(FLEET)
    first = ingest.take(delivery([0, 1], [1, 1], boot=1, dense=True, arrived_us=5))
    assert first is not None
    assert first.device.tolist() == [0, 1]
    assert ingest.take(delivery([0, 1], [2, 2], boot=1, dense=True)) is None
    second = ingest.take(delivery([0, 1], [3, 3], boot=[1, 2], dense=True, arrived_us=9))
    assert second is not None
    assert (second.device.tolist(), second.boot.tolist(), second.at_us.tolist()) == ([1], [2], [9])


@pytest.mark.parametrize(
    ("device", "dense"),
    [([0, 1, 2], True), ([0, 1, 2], False), ([2, 0, 1], False)],
    ids=["dense", "sparse, in line", "sparse, shuffled"],
)
def test_readings_of_devices_that_the_registry_lacks_are_refused_whatever_the_way_in(
    device: list[int], dense: bool
) -> None:
    ingest = Ingest(FLEET)
    ingest.take(delivery(device, [1, 1, 1], dense=dense))
    ingest.listing.strike("new", np.array([1], np.int32))
    ingest.take(delivery(device, [2, 2, 2], dense=dense))
    assert (ingest.accepted, ingest.listing.refused("new")) == (5, 1)
    assert dict(ingest.dead.counts) == {"unknown device": 1}


# --- dense equals sparse ----------------------------------------------------------------------------------------------

ROW = st.tuples(
    st.booleans(),  # present
    st.sampled_from([1, 1, 1, 1, 2, 5, 0]),  # step of the sequence number
    st.sampled_from([0, 0, 0, 0, 1]),  # step of the boot number
    st.sampled_from([20.0, 20.5, 999.0, float("nan")]),
)


@given(st.lists(st.lists(ROW, min_size=8, max_size=8), max_size=12), st.integers(1, 8))
def test_dense_equals_sparse_whatever_the_block(seconds: list[list[Any]], block: int) -> None:
    """The same readings as one slice of the fleet, as several, and as sparse rows."""
    whole, sliced, sparse = Ingest(FLEET), Ingest(FLEET), Ingest(FLEET)
    seq, boot = np.zeros(8, np.int64), np.ones(8, np.int32)
    for second, rows in enumerate(seconds):
        seq += [step for _, step, _, _ in rows]
        boot += np.array([step for _, _, step, _ in rows], np.int32)
        present = np.array([here for here, _, _, _ in rows])
        values = np.array([value for *_, value in rows])
        arrived = np.arange(8) + second * 1_000

        def sent(
            device: Sequence[int],
            dense: bool,
            columns: tuple[Any, ...] = (seq, boot, values, arrived, present),
        ) -> Delivery:
            where = np.array(device)
            seqs, boots, numbers, arrivals, here = (column[where].tolist() for column in columns)
            shown = here if dense else None
            return delivery(device, seqs, boot=boots, values=numbers, arrived_us=arrivals, dense=dense, present=shown)

        whole.take(sent(range(8), dense=True))
        for first in range(0, 8, block):
            sliced.take(sent(range(first, min(first + block, 8)), dense=True))
        if present.any():
            sparse.take(sent(np.flatnonzero(present).tolist(), dense=False))
    assert state(whole) == state(sliced) == state(sparse)


@given(st.permutations([(device, seq) for device in range(4) for seq in range(1, 11)]), st.integers(1, 50), st.data())
def test_a_shuffled_and_repeated_stream_gives_the_result_of_the_ordered_one(
    shuffled: list[tuple[int, int]], cut: int, data: st.DataObject
) -> None:
    twice = data.draw(st.lists(st.sampled_from(shuffled), max_size=20))
    stream = shuffled + twice
    ordered, mixed = Ingest(FLEET), Ingest(FLEET)
    for seq in range(1, 11):
        ordered.take(delivery([0, 1, 2, 3], seq, values=[float(seq)], arrived_us=seq, dense=True))
    for at in range(0, len(stream), cut):
        part = stream[at : at + cut]
        device, seqs = (list(column) for column in zip(*part, strict=True))
        mixed.take(delivery(device, seqs, values=[float(seq) for seq in seqs], arrived_us=seqs))
    assert mixed.repeated == len(twice)
    wanted, found = state(ordered), state(mixed)
    for differs in ("repeated",):
        wanted.pop(differs), found.pop(differs)
    # Arrivals are those of the sequence number here, so that the newest reading decides in both.
    assert found == wanted


# --- garbage ----------------------------------------------------------------------------------------------------------

ANY_64 = st.one_of(st.integers(-3, 5), st.integers(-(1 << 63), (1 << 63) - 1))
ANY_32 = st.one_of(st.integers(-2, 14), st.integers(-(1 << 31), (1 << 31) - 1))


@st.composite
def garbage(draw: st.DrawFn) -> Delivery:
    n = draw(st.integers(0, 12))
    kind = draw(st.sampled_from(["motor", "climate", "", "Motor"]))
    width = draw(st.sampled_from([len(CHANNELS.get(kind, ())), 0, 1, 2, 5]))
    numbers = st.floats(width=32)
    rows = draw(st.lists(st.lists(numbers, min_size=width, max_size=width), min_size=n, max_size=n))

    def column(of: st.SearchStrategy[int], dtype: Any) -> Any:
        return np.array(draw(st.lists(of, min_size=n, max_size=n)), dtype)

    readings = Readings(
        kind=kind,
        device=column(ANY_32, np.int32),
        boot=column(ANY_32, np.int32),
        seq=column(ANY_64, np.int64),
        device_time_us=column(ANY_64, np.int64),
        sent_us=column(ANY_64, np.int64),
        values=np.array(rows, np.float32).reshape(n, width),
        dense_from=draw(st.sampled_from([-1, -1, 0, 3, 8, 11, 1 << 31])),
        present=draw(
            st.none() | st.lists(st.booleans(), min_size=n, max_size=n).map(lambda row: np.array(row, np.bool_))
        ),
    )
    return Delivery(readings, column(ANY_64, np.int64), 0)


@given(st.lists(garbage(), max_size=6))
def test_nothing_raises_and_every_row_is_counted_in_one_place(sent: list[Delivery]) -> None:
    ingest = Ingest(FLEET)
    rows = 0
    for each in sent:
        assert each.readings is not None
        rows += len(each.readings)
        ingest.take(each)
    assert ingest.accepted + ingest.repeated + sum(ingest.dead.counts.values()) == rows
    assert int(ingest.accepted_per_device.sum()) == ingest.accepted


@pytest.mark.parametrize("dense", [True, False])
@pytest.mark.parametrize(
    ("off_s", "wrong"), [(0, 0), (4, 0), (6, 3), (-3_600, 0), (-86_000, 0), (-90_000, 3), (-1_893_456_000, 3)]
)
def test_a_time_stamp_that_cannot_be_right_is_counted_and_the_reading_kept(dense: bool, off_s: int, wrong: int) -> None:
    """From the future, or from before the fleet was commissioned."""
    sent = delivery([0, 1, 2], 1, arrived_us=1_000_000, dense=dense)
    assert sent.readings is not None
    for stamps in (np.full(3, 1_000_000 + off_s * 1_000_000), np.broadcast_to(np.int64((1 + off_s) * 1_000_000), 3)):
        ingest = Ingest(FLEET)
        ingest.take(replace(sent, readings=replace(sent.readings, device_time_us=stamps)))
        assert (ingest.accepted, ingest.misdated) == (3, wrong)
        assert ingest.last_arrival_us[:3].tolist() == [1_000_000] * 3
        ingest.take(replace(sent, readings=replace(sent.readings, device_time_us=stamps)))
        assert ingest.misdated == wrong, "a repeated reading counts once"
