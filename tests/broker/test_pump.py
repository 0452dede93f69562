"""Toxics and pumps on a clock of their own: every instant is exact, no socket, no waiting."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from twinstorm.broker.pump import MOST_QUEUED_BYTES, Counters, Pump
from twinstorm.broker.toxics import (
    LARGEST_READ_BYTES,
    Bandwidth,
    Blackhole,
    Draw,
    End,
    Latency,
    Limit,
    Slicer,
    SlowClose,
    Stall,
    Toxic,
)
from twinstorm.twin.chance import device_key, stream, word
from twinstorm.twin.radio import BurstLoss


class Clock:
    """Stands in for a loop: time moves only by `until`."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self._calls: list[Call] = []

    def time(self) -> float:
        return self.now_s

    def call_at(self, at_s: float, act: Callable[[], None]) -> Call:
        call = Call(at_s, act)
        self._calls.append(call)
        return call

    def until(self, at_s: float) -> None:
        while True:
            self._calls = [call for call in self._calls if not call.is_cancelled]
            due = min((call for call in self._calls if call.at_s <= at_s), key=lambda call: call.at_s, default=None)
            if due is None:
                break
            self._calls.remove(due)
            self.now_s = max(self.now_s, due.at_s)
            due.act()
        self.now_s = at_s


class Call:
    def __init__(self, at_s: float, act: Callable[[], None]) -> None:
        self.at_s, self.act, self.is_cancelled = at_s, act, False

    def cancel(self) -> None:
        self.is_cancelled = True


class Socket:
    """Stands in for a transport: notes what is written and when."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.reads = True
        self.written: list[tuple[float, bytes]] = []
        self.ended_s: float | None = None

    def set_write_buffer_limits(self, high: int) -> None: ...

    def is_closing(self) -> bool:
        return self.ended_s is not None

    def pause_reading(self) -> None:
        self.reads = False

    def resume_reading(self) -> None:
        self.reads = True

    def write(self, data: bytes) -> None:
        self.written.append((round(self._clock.now_s, 6), data))

    def write_eof(self) -> None:
        self.ended_s = round(self._clock.now_s, 6)

    close = write_eof

    @property
    def bytes(self) -> bytes:
        return b"".join(data for _, data in self.written)


class Lab:
    """A pump upwards between two sockets.

    Args:
        seed: of all chance.
    """

    def __init__(self, seed: int = 1, **toxics: Toxic) -> None:
        self.clock, self.counters = Clock(), Counters()
        loop: Any = self.clock
        self.over = 0

        def draws(name: str) -> Draw:
            return lambda number: word(stream(seed, 0), device_key(name), number)

        def over() -> None:
            self.over += 1

        self.pump = Pump(loop, "up", self.counters, draws, over)
        self.source, self.sink = Socket(self.clock), Socket(self.clock)
        self.pump.set(toxics)
        self.pump.begin(self.source)  # type: ignore[arg-type]
        self.pump.attach(self.sink)  # type: ignore[arg-type]

    def send(self, data: bytes) -> int:
        """As much of it as the pump reads now, as a socket would hand it over; returns how much."""
        sent = 0
        while sent < len(data) and self.source.reads:
            some = data[sent : sent + self.pump.room()]
            self.pump.take(some)
            sent += len(some)
        return sent


def test_without_toxics_bytes_leave_at_once() -> None:
    lab = Lab()
    lab.send(b"hello")
    assert lab.sink.written == [(0.0, b"hello")]
    assert lab.counters.up_bytes == 5
    assert lab.counters.delayed_pieces == 0


def test_delays_are_instants_and_do_not_sum_up() -> None:
    lab = Lab(far=Latency(delay_s=2.0))
    for nth in range(10):
        lab.clock.until(nth / 10)
        lab.send(b"%d" % nth)
    lab.clock.until(5.0)
    assert [at_s for at_s, _ in lab.sink.written] == [2.0 + nth / 10 for nth in range(10)]
    assert lab.sink.bytes == b"0123456789"
    assert lab.counters.delayed_pieces == 10
    assert lab.counters.by_toxic["far"]["bytes_delayed"] == 10


def test_whoever_is_overtaken_by_chance_waits() -> None:
    lab = Lab(far=Latency(delay_s=1.0, jitter_s=5.0))
    for nth in range(10):
        lab.send(b"%d" % nth)
    lab.clock.until(10.0)
    assert lab.sink.bytes == b"0123456789"
    due = [at_s for at_s, _ in lab.sink.written]
    assert due == sorted(due)
    assert 1.0 <= due[0] < due[-1] <= 6.0


def test_chance_is_the_seeds() -> None:
    def due(seed: int) -> list[float]:
        lab = Lab(seed, far=Latency(jitter_s=5.0), lossy=Stall(chain=BurstLoss(0.2, 0.5)))
        for nth in range(20):
            lab.clock.until(float(nth * 100))
            lab.send(b"x")
        lab.clock.until(1e6)
        return [at_s for at_s, _ in lab.sink.written]

    assert due(7) == due(7)
    assert due(7) != due(8)


def test_what_was_under_way_when_a_delay_ends_arrives_as_late_and_is_not_overtaken() -> None:
    lab = Lab(far=Latency(delay_s=3.0))
    lab.send(b"old")
    lab.clock.until(1.0)
    lab.pump.set({})
    lab.send(b"new")
    lab.clock.until(10.0)
    assert lab.sink.written == [(3.0, b"old"), (3.0, b"new")]


def test_a_narrow_link_passes_its_rate_and_frees_what_waits_when_it_widens() -> None:
    lab = Lab(narrow=Bandwidth(bytes_per_s=100.0))
    data = b"x" * 1_000
    sent = lab.send(data)
    assert sent == 25, "a quarter of a second is under way, the rest waits with its sender"
    for tenth in range(1, 21):
        lab.clock.until(tenth / 10)
        sent += lab.send(data[sent:])
    assert 150 <= len(lab.sink.bytes) <= 200
    lab.pump.set({})
    assert lab.source.reads, "at once, not when the transmitter is free"
    sent += lab.send(data[sent:])
    lab.clock.until(2.3)
    assert len(lab.sink.bytes) == sent == 1_000


def test_loss_is_delay_of_doubling_timeouts() -> None:
    lab = Lab(lossy=Stall(chain=BurstLoss(1.0, 0.0)))
    lab.send(b"x")
    lab.clock.until(1_000.0)
    ((at_s, data),) = lab.sink.written
    assert at_s == pytest.approx(sum(0.2 * 2**nth for nth in range(8)))
    assert data == b"x"
    assert lab.counters.by_toxic["lossy"] == {"retransmissions": 8, "bytes_delayed": 1}


def test_the_share_of_losses_is_that_of_the_chain() -> None:
    chain = BurstLoss(0.05, 0.2)
    lab = Lab(lossy=Stall(chain=chain, first_s=0.001))
    for nth in range(3_000):
        lab.clock.until(float(nth))
        lab.send(b"x")
    lost = lab.counters.by_toxic["lossy"]["retransmissions"]
    assert lost / (3_000 + lost) == pytest.approx(chain.loss, rel=0.15)
    assert lab.counters.up_bytes == 3_000


def test_a_slicer_cuts_and_loses_nothing() -> None:
    lab = Lab(sliced=Slicer(slice_bytes=3, gap_s=0.5))
    lab.send(b"abcdefgh")
    lab.pump.end(End.EOF)
    lab.clock.until(5.0)
    assert lab.sink.written == [(0.0, b"abc"), (0.5, b"def"), (1.0, b"gh")]
    assert lab.sink.ended_s == 1.0


def test_nothing_is_read_or_given_in_a_black_hole_until_it_is_gone() -> None:
    lab = Lab(far=Latency(delay_s=1.0))
    lab.send(b"under way")
    lab.pump.set({"dark": Blackhole()})
    lab.clock.until(5.0)
    assert not lab.sink.written
    assert not lab.source.reads
    lab.pump.set({})
    assert lab.sink.written == [(5.0, b"under way")]
    assert lab.source.reads


def test_a_black_hole_of_the_other_direction_is_none() -> None:
    lab = Lab(dark=Blackhole(direction="down"))
    lab.send(b"x")
    assert lab.sink.bytes == b"x"


def test_a_limit_counts_bytes_and_then_closes() -> None:
    lab = Lab(limit=Limit(after_bytes=5), sliced=Slicer(slice_bytes=2))
    lab.send(b"abcdefgh")
    assert lab.sink.bytes == b"abcde"
    assert lab.sink.ended_s == 0.0
    assert lab.pump.finished
    assert lab.over == 1


def test_an_end_travels_behind_what_was_sent_and_may_be_noticed_late() -> None:
    lab = Lab(far=Latency(delay_s=1.0), slow=SlowClose(delay_s=2.0))
    lab.send(b"x")
    lab.pump.end(End.EOF)
    lab.clock.until(9.0)
    assert lab.sink.written == [(1.0, b"x")]
    assert lab.sink.ended_s == 3.0
    assert lab.counters.up_bytes == 1


def test_what_is_held_is_bounded() -> None:
    lab = Lab(far=Latency(delay_s=1.0))
    sent = lab.send(b"x" * 1_000_000)
    assert sent == lab.pump.queued_bytes <= MOST_QUEUED_BYTES + LARGEST_READ_BYTES
    lab.clock.until(1.0)
    assert lab.source.reads
    assert lab.pump.queued_bytes == 0


def test_a_full_sink_is_not_written_to() -> None:
    lab = Lab()
    lab.pump.sink_is_full(True)
    sent = lab.send(b"x" * 1_000_000)
    assert sent < 1_000_000
    assert not lab.sink.written
    lab.pump.sink_is_full(False)
    assert len(lab.sink.bytes) == sent


@pytest.mark.parametrize(
    "wrong", [lambda: Bandwidth(bytes_per_s=0.0), lambda: Slicer(slice_bytes=0)], ids=["bandwidth", "slicer"]
)
def test_a_toxic_that_passes_nothing_for_ever_is_refused(wrong: Callable[[], Toxic]) -> None:
    with pytest.raises(ValueError, match=r"must be"):
        wrong()
