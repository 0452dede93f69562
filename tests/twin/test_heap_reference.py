"""The heap simulation by hand: each expected instant below follows from ``docs/storm-model.md`` with pencil and paper.

Links have no jitter, so that every message takes 10 us, and every draw is the middle of its range unless a test says
otherwise.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest

from tests.twin import heap_reference
from tests.twin.heap_reference import (
    ADMITTED,
    BOOTED,
    CONNECTED,
    GAVE_UP,
    LOST,
    REFUSED,
    UNANSWERED,
    Action,
    Broker,
    Device,
    Row,
    Simulation,
    simulate,
)
from twinstorm.twin.chance import Purpose, below_one, device_key, stream, word

MIDDLE = 1 << 63
"""`below(MIDDLE, v)` is v // 2; its low 16 bits are 0."""

PLAIN = Device(
    name="d",
    link=(10, 0, 0, 0),
    backoff="fixed",
    jitter="none",
    base_us=1_000,
    cap_us=60_000,
    timeout_us=50_000,
    keep_alive_us=2_000,
    boot_low_us=100,
    boot_high_us=100,
    every_us=3_000,
    phase_us=0,
)


class Table:
    """Stands for keyed chance: the middle of the range, but for draws that a test wrote down."""

    def __init__(self) -> None:
        self.known: dict[tuple[int, int], int] = {}
        self.asked: list[tuple[int, int]] = []

    def word(self, purpose: int, key: int, number: int) -> int:
        self.asked.append((purpose, number))
        return self.known.get((purpose, number), MIDDLE)


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> Table:
    table = Table()
    monkeypatch.setattr(heap_reference, "stream", lambda seed, purpose: int(purpose))
    monkeypatch.setattr(heap_reference, "word", table.word)
    return table


def ideal() -> Broker:
    """A broker that answers 1 us after each CONNECT and admits everybody."""
    return Broker(handshake_ns=1_000, backlog=1_000, rate=None, burst=1, queue=0)


def play(
    actions: list[Action], until_us: int, device: Device = PLAIN, devices: int = 1, broker: Broker | None = None
) -> list[Row]:
    fleet = [replace(device, name=f"{device.name}-{number}") for number in range(devices)]
    return simulate(fleet, broker or ideal(), actions, seed=1, until_us=until_us)


def reboot(at_us: int, devices: int = 1) -> list[Action]:
    """Off and on at one instant; the CONNECT reaches the broker 110 us later."""
    everybody = tuple(range(devices))
    return [Action(at_us, "power-off", everybody), Action(at_us, "power-on", everybody)]


# --- chance -----------------------------------------------------------------------------------------------------------


def test_draws_are_keyed_by_purpose_device_and_attempt() -> None:
    device = replace(PLAIN, name="fra-1/press-0007", link=(500, 4_000, 0, 0), boot_high_us=7_099)
    rows = simulate([device], ideal(), reboot(0), seed=42, until_us=60_000)
    key = device_key("fra-1/press-0007")
    booted = 100 + below_one(word(stream(42, Purpose.BOOT), key, 0), 7_000)
    reached = booted + 500 + below_one(word(stream(42, Purpose.UPLINK), key, 1), 4_000)
    connected = reached + 1 + 500 + below_one(word(stream(42, Purpose.DOWNLINK), key, 1), 4_000)
    assert rows == [(booted, BOOTED, 0), (reached, ADMITTED, 0), (connected, CONNECTED, 0)]


@pytest.mark.parametrize(("draw", "latency_us"), [(0, 1_010), (5, 1_010), (6, 10), (0xFFFF, 10), (1 << 63 | 6, 13)])
def test_a_share_of_messages_costs_one_retransmission(table: Table, draw: int, latency_us: int) -> None:
    table.known[Purpose.UPLINK, 3] = draw
    device = replace(PLAIN, link=(10, 7, 1_000, 6))
    assert Simulation([device], ideal(), 1).latency(Purpose.UPLINK, device, 3) == latency_us


# --- back-off ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("backoff", "jitter", "base_us", "cap_us", "failures", "previous_us", "wait_us"),
    [
        ("none", "none", 1_000, 60_000, 4, 0, 0),
        ("none", "decorrelated", 1_000, 60_000, 4, 0, 0),
        ("fixed", "none", 1_000, 60_000, 4, 0, 1_000),
        ("fixed", "full", 1_001, 60_000, 4, 0, 500),
        ("fixed", "equal", 7, 60_000, 4, 0, 3 + 2),
        ("exponential", "none", 1_000, 60_000, 1, 0, 2_000),
        ("exponential", "none", 1_000, 60_000, 5, 0, 32_000),
        ("exponential", "none", 1_000, 60_000, 6, 0, 60_000),
        ("exponential", "none", 1, 1 << 30, 20, 0, 1 << 20),
        ("exponential", "none", 1, 1 << 30, 21, 0, 1 << 20),
        ("exponential", "full", 1_000, 60_000, 3, 0, 4_000),
        ("exponential", "equal", 1_000, 60_001, 9, 0, 30_000 + 15_000),
        ("exponential", "decorrelated", 1_000, 60_000, 1, 0, 1_000 + 1_000),
        ("exponential", "decorrelated", 1_000, 60_000, 1, 400, 1_000 + 1_000),
        ("exponential", "decorrelated", 1_000, 60_000, 2, 5_000, 1_000 + 7_000),
        ("exponential", "decorrelated", 1_000, 60_000, 7, 50_000, 60_000),
        ("fixed", "decorrelated", 1_000, 60_000, 2, 5_000, 1_000 + 7_000),
    ],
)
def test_back_off(
    table: Table,
    backoff: str,
    jitter: str,
    base_us: int,
    cap_us: int,
    failures: int,
    previous_us: int,
    wait_us: int,
) -> None:
    device = replace(PLAIN, backoff=backoff, jitter=jitter, base_us=base_us, cap_us=cap_us)
    device.failures, device.previous, device.tries = failures, previous_us, 8
    assert Simulation([device], ideal(), 1).wait(device) == wait_us
    assert table.asked in ([], [(Purpose.BACKOFF, 8)])


def test_waits_double_until_a_reboot_which_keeps_the_number_of_the_attempt(table: Table) -> None:
    device = replace(PLAIN, backoff="exponential")
    rows = play([Action(0, "broker-stop"), *reboot(7_000)], 10_000, device)
    # Each round: reset or refusal heard after 10 us, 2, 4 and 8 ms of waiting, 10 us to the broker.
    assert rows == [
        (10, LOST, 0),
        (2_020, REFUSED, 0),
        (6_040, REFUSED, 0),
        (7_100, BOOTED, 0),
        (7_110, REFUSED, 0),
        (9_130, REFUSED, 0),
    ]
    attempts = [number for purpose, number in table.asked if purpose == Purpose.UPLINK]
    assert attempts == [1, 2, 3, 4, 5, 6]
    failed = [number for purpose, number in table.asked if purpose == Purpose.BACKOFF]
    assert failed == [0, 1, 2, 4, 5]


def test_each_decorrelated_wait_grows_from_the_last(table: Table) -> None:
    device = replace(PLAIN, jitter="decorrelated")
    # Middle of [base, 3 * last): 2,000, then 1,000 + 2,500, then 1,000 + 4,750.
    assert play([Action(0, "broker-stop")], 11_400, device) == [
        (10, LOST, 0),
        (2_020, REFUSED, 0),
        (5_540, REFUSED, 0),
        (11_310, REFUSED, 0),
    ]


def test_a_session_ends_the_row_of_failures(table: Table) -> None:
    device = replace(PLAIN, backoff="exponential")
    actions = [Action(0, "broker-stop"), Action(3_000, "broker-start"), Action(8_000, "broker-stop")]
    assert play(actions, 10_100, device) == [
        (10, LOST, 0),
        (2_020, REFUSED, 0),
        (6_040, ADMITTED, 0),
        (6_051, CONNECTED, 0),
        (8_010, LOST, 0),
        (10_020, REFUSED, 0),
    ]


# --- broker -----------------------------------------------------------------------------------------------------------


def test_the_handshake_queue_rounds_instants_up_and_keeps_the_nanoseconds() -> None:
    broker = Broker(handshake_ns=1_500, backlog=9, rate=None, burst=1, queue=0)
    assert [broker.connect(at) for at in (0, 0, 0, 10)] == [(True, 2), (True, 3), (True, 5), (True, 12)]


def test_beyond_the_backlog_a_connect_is_refused_at_once_and_unpaid() -> None:
    broker = Broker(handshake_ns=1_500, backlog=2, rate=None, burst=1, queue=0)
    # The worker has one and two wait; the next place is free 1.5 us later.
    assert [broker.connect(0) for _ in range(4)] == [(True, 2), (True, 3), (True, 5), (False, 0)]
    assert broker.connect(1) == (False, 1)
    assert broker.connect(2) == (True, 6)


def test_no_backlog_means_one_at_a_time() -> None:
    broker = Broker(handshake_ns=2_000, backlog=0, rate=None, burst=1, queue=0)
    assert [broker.connect(at) for at in (0, 0, 1, 2)] == [(True, 2), (False, 0), (False, 1), (True, 4)]


def test_tokens_burst_then_a_waiting_room_then_refusals() -> None:
    broker = Broker(handshake_ns=1_000, backlog=99, rate=Fraction(2), burst=2, queue=1)
    # Handshakes end at 1, 2, 3, 4 us. Two tokens are there; the third is due half a second after the first was taken.
    assert [broker.connect(0) for _ in range(4)] == [(True, 1), (True, 2), (True, 500_001), (False, 4)]
    assert broker.free == 4_000, "a refused CONNECT has paid its handshake"
    # The room is free again when the third is let in, not a microsecond earlier; a handshake takes 1 us.
    assert broker.connect(499_999) == (False, 500_000)
    assert broker.connect(500_000) == (True, 1_000_001)
    # After a pause there is a full burst and no more.
    assert [broker.connect(9_000_000) for _ in range(2)] == [(True, 9_000_001), (True, 9_000_002)]
    assert broker.connect(9_000_000) == (True, 9_500_001)
    assert broker.connect(9_000_000) == (False, 9_000_004)


def test_tokens_at_a_rate_that_is_no_whole_number() -> None:
    # 3 in 7 s: after the one at 1 us the next is due at 1 us + 7 s / 3 = 2,333,334.33 us.
    refusing = Broker(handshake_ns=1_000, backlog=99, rate=Fraction(3, 7), burst=1, queue=0)
    assert refusing.connect(0) == (True, 1)
    assert refusing.connect(2_333_333) == (False, 2_333_334)
    assert refusing.connect(2_333_334) == (True, 2_333_335)
    waiting = Broker(handshake_ns=1_000, backlog=99, rate=Fraction(6, 14), burst=1, queue=1)
    assert [waiting.connect(0) for _ in range(2)] == [(True, 1), (True, 2_333_335)]


def test_one_instant_is_served_in_device_order_and_the_refused_come_back(table: Table) -> None:
    broker = Broker(handshake_ns=400_000, backlog=1, rate=None, burst=1, queue=0)
    rows = play(reboot(0, 3), 2_000, devices=3, broker=broker)
    assert rows == [
        (100, BOOTED, 0),
        (100, BOOTED, 1),
        (100, BOOTED, 2),
        (110, ADMITTED, 0),
        (110, ADMITTED, 1),
        (110, REFUSED, 2),  # heard at 120, waits 1,000, takes 10
        (110 + 400 + 10, CONNECTED, 0),
        (110 + 800 + 10, CONNECTED, 1),
        (1_130, ADMITTED, 2),
        (1_130 + 400 + 10, CONNECTED, 2),
    ]


# --- timeouts ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("timeout_us", "rows"),
    [
        # Sent at 100, reaches the broker at 110, served at 111, CONNACK at 121.
        (21, [(110, ADMITTED, 0), (121, CONNECTED, 0)]),
        (20, [(110, ADMITTED, 0), (120, GAVE_UP, 0), (1_130, ADMITTED, 0), (1_140, GAVE_UP, 0)]),
        # Shorter than the way there: the earliest end of an attempt is 1 us after it reached the broker.
        (5, [(110, ADMITTED, 0), (111, GAVE_UP, 0), (1_121, ADMITTED, 0), (1_122, GAVE_UP, 0)]),
    ],
)
def test_a_connack_counts_up_to_the_timeout(table: Table, timeout_us: int, rows: list[Row]) -> None:
    assert play(reboot(0), 2_000, replace(PLAIN, timeout_us=timeout_us)) == [(100, BOOTED, 0), *rows]


@pytest.mark.parametrize(
    ("timeout_us", "rows"),
    [
        (22, [(110, REFUSED, 1), (121, CONNECTED, 0)]),
        # At the instant of the timeout itself it is too late.
        (21, [(110, UNANSWERED, 1), (121, GAVE_UP, 1), (121, CONNECTED, 0)]),
        (20, [(110, UNANSWERED, 1), (120, GAVE_UP, 0), (120, GAVE_UP, 1)]),
    ],
)
def test_a_refusal_counts_before_the_timeout_only(table: Table, timeout_us: int, rows: list[Row]) -> None:
    # One token: device 0 takes it. Device 1 is refused when its handshake ends, at 111, and hears of it at 121.
    broker = Broker(handshake_ns=500, backlog=9, rate=Fraction(1), burst=1, queue=0)
    found = play(reboot(0, 2), 1_000, replace(PLAIN, timeout_us=timeout_us), devices=2, broker=broker)
    assert found == [(100, BOOTED, 0), (100, BOOTED, 1), (110, ADMITTED, 0), *rows]


def test_whoever_gave_up_has_paid(table: Table) -> None:
    # Handshakes take longer than the timeout: each attempt of one device makes those behind it later.
    broker = Broker(handshake_ns=300_000, backlog=9, rate=None, burst=1, queue=0)
    device = replace(PLAIN, timeout_us=200, base_us=100)
    rows = play(reboot(0), 1_000, device, broker=broker)
    assert rows == [
        (100, BOOTED, 0),
        (110, ADMITTED, 0),
        (300, GAVE_UP, 0),
        (410, ADMITTED, 0),
        (600, GAVE_UP, 0),
        (710, ADMITTED, 0),
        (900, GAVE_UP, 0),
    ]
    assert broker.free == (110 + 3 * 300) * 1_000


# --- power ------------------------------------------------------------------------------------------------------------


def test_boots_lie_between_low_and_high_inclusive(table: Table) -> None:
    device = replace(PLAIN, boot_low_us=100, boot_high_us=103)
    for draw, booted_us in [(0, 100), (MIDDLE, 102), ((1 << 64) - 1, 103)]:
        table.known[Purpose.BOOT, 0] = draw
        assert play(reboot(0), 105, device) == [(booted_us, BOOTED, 0)]


def test_a_device_takes_the_same_time_for_each_boot(table: Table) -> None:
    table.known[Purpose.BOOT, 0] = 0
    rows = play([*reboot(0), *reboot(5_000)], 6_000, replace(PLAIN, boot_high_us=199))
    assert [at_us for at_us, code, _ in rows if code == BOOTED] == [100, 5_100]


def test_power_is_back_when_the_last_outage_is_over(table: Table) -> None:
    actions = [
        Action(0, "power-off", (0,)),
        Action(50, "power-off", (0,)),
        Action(60, "power-on", (0,)),
        Action(500, "power-on", (0,)),
    ]
    assert play(actions, 700) == [(600, BOOTED, 0), (610, ADMITTED, 0), (621, CONNECTED, 0)]


@pytest.mark.parametrize("cut_us", [99, 105, 115])
def test_an_outage_ends_a_boot_an_attempt_and_an_answer_on_its_way(table: Table, cut_us: int) -> None:
    rows = play([*reboot(0), Action(cut_us, "power-off", (0,)), Action(500, "power-on", (0,))], 700)
    assert [row for row in rows if row[0] > cut_us] == [(600, BOOTED, 0), (610, ADMITTED, 0), (621, CONNECTED, 0)]


def test_actions_come_before_the_device_events_of_their_instant(table: Table) -> None:
    assert play([*reboot(0), Action(100, "power-off", (0,))], 1_000) == []
    assert play([*reboot(0), Action(101, "power-off", (0,))], 1_000) == [(100, BOOTED, 0)]


def test_the_end_itself_is_outside(table: Table) -> None:
    assert play(reboot(0), 100) == []
    assert play(reboot(0), 101) == [(100, BOOTED, 0)]


# --- links ------------------------------------------------------------------------------------------------------------

# Keep-alive 2,000: a device that hears nothing notices 2,000 + 1,000 after the cut; the broker gives a session up 3,000
# after its last packet. Sampling every 3,000 is slower than pings, so a packet leaves at 0, 2,000, 4,000, ...


def test_a_session_survives_a_cut_that_heals_before_the_broker_misses_packets(table: Table) -> None:
    # The last packet left at 4,000: the broker gives up at 7,000.
    assert play([Action(5_000, "cut", (0,)), Action(6_999, "heal", (0,))], 60_000) == []


def test_a_session_that_the_broker_gave_up_meets_a_reset(table: Table) -> None:
    rows = play([Action(5_000, "cut", (0,)), Action(7_000, "heal", (0,))], 8_100)
    assert rows == [(7_010, LOST, 0), (8_020, ADMITTED, 0), (8_031, CONNECTED, 0)]


@pytest.mark.parametrize(
    ("change", "stale_us"),
    [
        ({"phase_us": 700}, 4_700 + 3_000),  # 700, 2,700, 4,700
        ({"phase_us": 5_001}, 3_000),  # nothing yet but the session of the start
        ({"phase_us": 5_000}, 5_000 + 3_000),  # the packet of that very instant counts
        ({"every_us": 1_500}, 4_500 + 3_000),  # readings come more often than pings
        ({"keep_alive_us": 2_001}, 4_002 + 3_002),  # 1.5 keep-alives, rounded up
    ],
)
def test_when_the_broker_gives_a_session_up(table: Table, change: dict[str, int], stale_us: int) -> None:
    device = replace(PLAIN, **change)  # type: ignore[arg-type]
    cut = Action(5_000, "cut", (0,))
    if stale_us > 5_000:
        assert play([cut, Action(stale_us - 1, "heal", (0,))], 60_000, device) == []
    assert play([cut, Action(max(stale_us, 5_001), "heal", (0,))], 60_000, device)[0][1] == LOST


def test_a_young_session_is_heard_by_its_connack(table: Table) -> None:
    # Connected at 4,721, after the packets of 4,000: the broker gives up at 7,721.
    start = reboot(4_600)
    assert play([*start, Action(5_000, "cut", (0,)), Action(7_720, "heal", (0,))], 60_000)[3:] == []
    rows = play([*start, Action(5_000, "cut", (0,)), Action(7_721, "heal", (0,))], 8_000)
    assert rows[2:] == [(4_721, CONNECTED, 0), (7_731, LOST, 0)]


def test_behind_a_cut_a_device_notices_and_calls_in_vain(table: Table) -> None:
    device = replace(PLAIN, timeout_us=500)
    rows = play([Action(5_000, "cut", (0,)), Action(10_000, "heal", (0,))], 11_200, device)
    assert rows == [
        (8_000, LOST, 0),
        (9_010, UNANSWERED, 0),
        (9_500, GAVE_UP, 0),
        (10_510, ADMITTED, 0),
        (10_521, CONNECTED, 0),
    ]


def test_the_timer_of_noticing_belongs_to_the_session(table: Table) -> None:
    table.known[Purpose.DETECT, 1] = 0
    rows = play([*reboot(0), Action(5_000, "cut", (0,))], 7_500)
    assert rows[2:] == [(121, CONNECTED, 0), (7_000, LOST, 0)]


def test_a_cut_downwards_never_costs_the_session_at_the_broker(table: Table) -> None:
    assert play([Action(5_000, "cut", (0,), "down"), Action(7_999, "heal", (0,), "down")], 60_000) == []
    rows = play([Action(5_000, "cut", (0,), "down"), Action(8_001, "heal", (0,), "down")], 8_500)
    assert rows == [(8_000, LOST, 0)]


@pytest.mark.parametrize("direction", ["both", "up", "down"])
def test_a_connect_needs_both_directions(table: Table, direction: str) -> None:
    rows = play([*reboot(0), Action(105, "cut", (0,), direction)], 1_000, replace(PLAIN, timeout_us=200))
    assert rows == [(100, BOOTED, 0), (110, UNANSWERED, 0), (300, GAVE_UP, 0)]


def test_a_cut_swallows_the_answer_on_its_way(table: Table) -> None:
    rows = play(
        [*reboot(0), Action(121, "cut", (0,)), Action(122, "heal", (0,))], 1_000, replace(PLAIN, timeout_us=200)
    )
    assert rows == [(100, BOOTED, 0), (110, ADMITTED, 0), (300, GAVE_UP, 0)]


def test_a_swallowed_answer_does_not_come_at_the_instant_of_the_timeout(table: Table) -> None:
    rows = play([*reboot(0), Action(115, "cut", (0,))], 200, replace(PLAIN, timeout_us=21))
    assert rows[2:] == [(121, GAVE_UP, 0)]


@pytest.mark.parametrize("heal_us", [6_999, 8_500])
def test_neither_a_session_that_survived_nor_a_new_one_is_given_up_for_an_old_cut(table: Table, heal_us: int) -> None:
    one_way = [Action(20_000, "cut", (0,), "down"), Action(20_100, "heal", (0,), "down")]
    actions = [Action(5_000, "cut", (0,)), Action(heal_us, "heal", (0,)), *one_way, Action(30_000, "broker-start")]
    assert [row for row in play(actions, 60_000) if row[0] >= 20_000] == []


def test_a_link_is_whole_when_the_last_cut_is_over(table: Table) -> None:
    actions = [
        Action(5_000, "cut", (0,)),
        Action(5_500, "cut", (0,), "up"),
        Action(6_000, "heal", (0,)),
        Action(6_500, "heal", (0,), "up"),
    ]
    assert play(actions, 60_000) == []
    actions[-1] = replace(actions[-1], at_us=7_500)
    assert play(actions, 8_000) == [(7_510, LOST, 0)]


@pytest.mark.parametrize("order", [("down", "up"), ("up", "down"), ("down", "both")])
def test_a_dead_uplink_costs_the_session_whatever_was_cut_first(table: Table, order: tuple[str, str]) -> None:
    cuts = [Action(at_us, "cut", (0,), direction) for at_us, direction in zip((5_000, 5_001), order, strict=True)]
    for heal_us, rows in [(6_999, []), (7_000, [(7_010, LOST, 0)])]:
        heals = [Action(heal_us, "heal", (0,), direction) for direction in order]
        assert play([*cuts, *heals], 8_000) == rows


def test_the_broker_misses_packets_from_the_cut_of_the_uplink_on(table: Table) -> None:
    # Behind the cut downwards a packet left at 6,000: the broker would give up at 9,000, the device notices at 8,500.
    cuts = [Action(5_500, "cut", (0,), "down"), Action(6_000, "cut", (0,), "up")]
    heals = [Action(8_499, "heal", (0,), "up"), Action(8_499, "heal", (0,), "down")]
    assert play([*cuts, *heals], 60_000) == []


def test_a_broker_that_hears_the_device_again_keeps_its_session(table: Table) -> None:
    # The broker would give up at 7,000; until 7,500 the device does not hear it.
    cuts = [Action(5_000, "cut", (0,), "up"), Action(5_500, "cut", (0,), "down")]
    whole = Action(7_500, "heal", (0,), "down")
    assert play([*cuts, Action(6_999, "heal", (0,), "up"), whole], 60_000) == []
    assert play([*cuts, Action(7_000, "heal", (0,), "up"), whole], 8_000) == [(7_510, LOST, 0)]


# --- broker outages ---------------------------------------------------------------------------------------------------


def test_a_broker_that_dies_resets_sessions_and_those_that_wait(table: Table) -> None:
    # Device 1 waits for the end of a long handshake; device 0 is online.
    broker = Broker(handshake_ns=300_000, backlog=9, rate=None, burst=1, queue=0)
    off_on = [Action(0, "power-off", (1,)), Action(0, "power-on", (1,))]
    rows = play([*off_on, Action(200, "broker-stop")], 1_230, devices=2, broker=broker)
    assert rows == [
        (100, BOOTED, 1),
        (110, ADMITTED, 1),
        (210, GAVE_UP, 1),
        (210, LOST, 0),
        (1220, REFUSED, 0),
        (1220, REFUSED, 1),
    ]


def test_an_answer_due_at_the_instant_of_the_stop_is_lost(table: Table) -> None:
    assert play([*reboot(0), Action(121, "broker-stop")], 200)[2:] == [(131, GAVE_UP, 0)]
    assert play([*reboot(0), Action(122, "broker-stop")], 200)[2:] == [(121, CONNECTED, 0), (132, LOST, 0)]


def test_a_reset_at_the_instant_of_the_lost_answer_is_a_reset(table: Table) -> None:
    assert play([*reboot(0), Action(111, "broker-stop")], 200)[2:] == [(121, GAVE_UP, 0)]


def test_a_timeout_does_not_wait_for_a_reset(table: Table) -> None:
    rows = play([*reboot(0), Action(112, "broker-stop")], 200, replace(PLAIN, timeout_us=15))
    assert rows[2:] == [(115, GAVE_UP, 0)]


def test_a_silent_death_is_noticed_by_keep_alive_and_timeout(table: Table) -> None:
    device = replace(PLAIN, timeout_us=400)
    off_on = [Action(0, "power-off", (1,)), Action(0, "power-on", (1,))]
    rows = play([*off_on, Action(115, "broker-stop", silent=True)], 3_200, device, devices=2)
    assert rows == [
        (100, BOOTED, 1),
        (110, ADMITTED, 1),
        (500, GAVE_UP, 1),
        (1510, UNANSWERED, 1),
        (1900, GAVE_UP, 1),
        (2910, UNANSWERED, 1),
        (3115, LOST, 0),
    ]


def test_back_from_silence_the_broker_resets_those_who_have_not_noticed(table: Table) -> None:
    rows = play([Action(0, "broker-stop", silent=True), Action(1_000, "broker-start")], 2_100)
    assert rows == [(1_010, LOST, 0), (2_020, ADMITTED, 0), (2_031, CONNECTED, 0)]


def test_whoever_notices_before_the_reset_comes_does_not_wait_for_it(table: Table) -> None:
    rows = play([Action(0, "broker-stop", silent=True), Action(2_995, "broker-start")], 3_500)
    assert rows == [(3_000, LOST, 0)]


def test_a_restart_does_not_take_back_resets_on_their_way(table: Table) -> None:
    rows = play([Action(0, "broker-stop"), Action(0, "broker-start")], 1_100)
    assert rows == [(10, LOST, 0), (1_020, ADMITTED, 0), (1_031, CONNECTED, 0)]


def test_actions_of_one_instant_act_in_their_order(table: Table) -> None:
    rows = play([Action(0, "broker-start"), Action(0, "broker-stop")], 1_100)
    assert rows == [(10, LOST, 0), (1_020, REFUSED, 0)]


def test_a_restart_empties_both_queues(table: Table) -> None:
    # Its first CONNECT takes the only token of a second and the worker until 410.
    broker = Broker(handshake_ns=300_000, backlog=0, rate=Fraction(1), burst=1, queue=0)
    actions = [*reboot(0), Action(120, "broker-stop"), Action(140, "broker-start")]
    rows = play(actions, 1_000, replace(PLAIN, base_us=50), broker=broker)
    assert rows[1:] == [(110, ADMITTED, 0), (130, GAVE_UP, 0), (190, ADMITTED, 0), (500, CONNECTED, 0)]


def test_a_start_resets_nobody_whom_the_broker_knows(table: Table) -> None:
    assert play([Action(0, "broker-start")], 60_000) == []


# --- faults on faults -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("silent", [False, True])
@pytest.mark.parametrize("direction", ["both", "down"])
def test_behind_a_cut_nobody_hears_the_broker_die(table: Table, direction: str, silent: bool) -> None:
    actions = [
        Action(5_000, "cut", (0,), direction),
        Action(5_100, "broker-stop", silent=silent),
        Action(5_200, "broker-start"),
        Action(6_000, "heal", (0,), direction),
    ]
    assert play(actions, 7_000) == [(6_010, LOST, 0)]


def test_a_cut_device_keeps_the_timer_that_a_silent_death_started(table: Table) -> None:
    actions = [Action(0, "broker-stop", silent=True), Action(1_500, "cut", (0,)), Action(2_000, "broker-start")]
    assert play(actions, 3_500) == [(3_000, LOST, 0)]


def test_a_reset_of_those_who_wait_is_lost_in_a_cut(table: Table) -> None:
    device = replace(PLAIN, timeout_us=500)
    rows = play([*reboot(0), Action(115, "broker-stop"), Action(120, "cut", (0,))], 1_000, device)
    assert rows[2:] == [(600, GAVE_UP, 0)]


def test_power_that_comes_back_behind_a_cut_calls_in_vain_until_it_heals(table: Table) -> None:
    device = replace(PLAIN, timeout_us=500)
    rows = play([Action(0, "cut", (0,)), *reboot(10), Action(700, "heal", (0,))], 2_000, device)
    assert rows == [
        (110, BOOTED, 0),
        (120, UNANSWERED, 0),
        (610, GAVE_UP, 0),
        (1620, ADMITTED, 0),
        (1631, CONNECTED, 0),
    ]


def test_a_second_silent_death_changes_no_timer(table: Table) -> None:
    actions = [Action(0, "broker-stop", silent=True), Action(500, "broker-stop", silent=True)]
    assert play(actions, 3_600) == [(3_000, LOST, 0)]


def test_a_second_death_with_resets_reaches_those_whom_silence_left_waiting(table: Table) -> None:
    actions = [Action(0, "broker-stop", silent=True), Action(500, "broker-stop")]
    assert play(actions, 1_600) == [(510, LOST, 0), (1_520, REFUSED, 0)]


def test_whoever_notices_before_the_reset_of_a_second_death_does_not_wait_for_it(table: Table) -> None:
    actions = [Action(0, "broker-stop", silent=True), Action(2_995, "broker-stop")]
    assert play(actions, 3_500) == [(3_000, LOST, 0)]


def test_a_session_that_died_before_a_short_cut_meets_a_reset_after_it(table: Table) -> None:
    # The first reset, due at 5,010, is lost in the cut.
    cut = [Action(5_005, "cut", (0,)), Action(5_008, "heal", (0,))]
    rows = play([Action(5_000, "broker-stop"), *cut, Action(9_000, "broker-start")], 60_000)
    assert rows == [
        (5_018, LOST, 0),
        (6_028, REFUSED, 0),
        (7_048, REFUSED, 0),
        (8_068, REFUSED, 0),
        (9_088, ADMITTED, 0),
        (9_099, CONNECTED, 0),
    ]


@pytest.mark.parametrize(
    "before",
    [
        [Action(5_000, "broker-stop")],
        [Action(4_000, "broker-stop", silent=True), Action(5_000, "broker-start")],
        [Action(1_500, "cut", (0,)), Action(3_500, "broker-stop"), Action(5_000, "heal", (0,))],
    ],
    ids=["death", "restart", "heal"],
)
def test_a_reset_on_its_way_is_lost_in_a_cut(table: Table, before: list[Action]) -> None:
    table.known[Purpose.DETECT, 0] = (1 << 64) - 1
    assert play([*before, Action(5_005, "cut", (0,))], 9_004) == []
    assert play([*before, Action(5_005, "cut", (0,))], 9_005) == [(9_004, LOST, 0)]


def test_a_reset_that_left_before_the_silence_arrives(table: Table) -> None:
    actions = [Action(0, "broker-stop"), Action(5, "broker-stop", silent=True)]
    assert play(actions, 1_000) == [(10, LOST, 0)]


def test_nobody_answers_for_a_silent_broker_when_a_link_heals(table: Table) -> None:
    actions = [Action(1_000, "cut", (0,)), Action(1_500, "broker-stop", silent=True), Action(2_000, "heal", (0,))]
    assert play(actions, 4_500) == [(4_000, LOST, 0)]
    assert play([*actions, Action(2_500, "broker-start")], 3_000) == [(2_510, LOST, 0)]


def test_no_cut_changes_the_timer_that_a_silent_death_started(table: Table) -> None:
    actions = [Action(0, "broker-stop", silent=True), Action(1_500, "cut", (0,)), Action(2_000, "heal", (0,))]
    assert play(actions, 3_500) == [(3_000, LOST, 0)]
