"""What waits for a client, by rules that hold whatever happens to it."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from twinstorm.broker.broker_state import restored, saved_session
from twinstorm.broker.limits import MOST_PACKET_IDS
from twinstorm.broker.mailbox import Mailbox, Message, Stage, length_of

WINDOW, MOST, MOST_BYTES = 3, 6, 40


class Sessions(RuleBasedStateMachine):
    """A mailbox, and a client that takes its time, leaves, and comes back."""

    def __init__(self) -> None:
        super().__init__()
        self.box = Mailbox()
        self.said = 0
        self.expected: list[int] = []
        """Payloads that wait, in order."""
        self.under_way: dict[int, int] = {}
        """Packet ids and payloads."""

    @rule(qos=st.integers(0, 2), size=st.integers(1, 12))
    def put(self, qos: int, size: int) -> None:
        self.said += 1
        message = Message("t", self.said.to_bytes(4) + bytes(size), qos)
        cause = self.box.put(message, MOST, MOST_BYTES)
        waits = len(self.expected)
        assert (cause == "messages") == (waits >= MOST)
        if not cause:
            self.expected.append(self.said)

    @rule()
    def send(self) -> None:
        packet = self.box.next_packet(WINDOW)
        if packet is None:
            assert not self.expected or len(self.under_way) == WINDOW
            return
        qos, start = packet[0] >> 1 & 3, 5
        if qos:
            number, start = int.from_bytes(packet[start : start + 2]), start + 2
            assert number not in self.under_way
            assert 1 <= number <= MOST_PACKET_IDS
            self.under_way[number] = int.from_bytes(packet[start : start + 4])
        assert not packet[0] & 8
        assert int.from_bytes(packet[start : start + 4]) == self.expected.pop(0)

    @precondition(lambda self: self.under_way)
    @rule(data=st.data())
    def answer(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from(sorted(self.under_way)))
        flight = self.box.in_flight[number]
        if flight.message.qos == 1:
            assert not self.box.completed(number)
            assert self.box.acknowledged(number)
            del self.under_way[number]
        elif flight.stage is Stage.SENT:
            assert not self.box.completed(number)
            self.box.arrived(number)
        else:
            assert not self.box.acknowledged(number)
            assert self.box.completed(number)
            del self.under_way[number]

    @rule()
    def leave(self) -> None:
        self.box.hang_up()
        kept = [int.from_bytes(message.payload[:4]) for message in self.box.waiting]
        assert kept == [one for one in self.expected if one in kept]
        assert all(message.qos for message in self.box.waiting)
        self.expected = kept

    @rule()
    def die_and_come_back(self) -> None:
        again = restored(saved_session("x", "guest", [], self.box))
        assert again == self.box
        self.box = again

    @invariant()
    def nothing_is_lost_and_bytes_are_counted(self) -> None:
        assert len(self.box) == len(self.expected) + len(self.under_way)
        assert self.box.waiting_bytes == sum(message.size_bytes for message in self.box.waiting) <= MOST_BYTES
        assert list(self.box.in_flight) == list(self.under_way)
        resent = list(self.box.again())
        assert all(packet[0] & 8 or packet[0] == 0x62 for packet in resent)


TestSessions = Sessions.TestCase
TestSessions.settings = settings(max_examples=50, stateful_step_count=40)


def test_packet_ids_go_round_and_leave_out_those_under_way() -> None:
    box = Mailbox(last_number=MOST_PACKET_IDS - 1)
    for _ in range(3):
        box.put(Message("t", b"", 1), 10, 100)
        box.next_packet(10)
    assert list(box.in_flight) == [MOST_PACKET_IDS, 1, 2]
    box.last_number = MOST_PACKET_IDS - 1
    box.put(Message("t", b"", 1), 10, 100)
    box.next_packet(10)
    assert list(box.in_flight) == [MOST_PACKET_IDS, 1, 2, 3]


@given(st.integers(0, (1 << 28) - 1))
def test_lengths_are_written_as_mqtt_does(count: int) -> None:
    written = length_of(count)
    assert sum((byte & 0x7F) << 7 * place for place, byte in enumerate(written)) == count
    assert [byte >> 7 for byte in written] == [1] * (len(written) - 1) + [0]
