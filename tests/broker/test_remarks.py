"""What a broker says to those who run it."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.live.raw_mqtt import text
from twinstorm.broker.remarks import (
    LONGEST_ID,
    LONGEST_REASON,
    MOST,
    Remarks,
    failed_handshake,
    other_version,
    refusal,
)

FIVE = text("MQTT") + bytes([5, 2]) + struct.pack(">H", 60)


@pytest.mark.parametrize(
    ("connect", "found"),
    [
        (text("MQTT") + bytes([4, 2, 0, 60]) + text("x"), None),
        (text("MQIsdp") + bytes([3, 2, 0, 60]) + text("old"), ("3.1", "old")),
        (FIVE + b"\0" + text("new"), ("5", "new")),
        (FIVE + b"\x05\x11\0\0\0\x0a" + text("new"), ("5", "new")),
        (FIVE + b"\x80\x01" + b"x" * 128 + text("long"), ("5", "long")),
        (FIVE + b"\xff\xff\xff\xff\xff", ("5", "")),
        (FIVE, ("5", "")),
        (text("MQTT") + bytes([6, 2, 0, 60]), None),
        (text("HTTP") + bytes([5, 2, 0, 60]), None),
        (b"", None),
    ],
)
def test_another_version_is_known_by_name_and_level(connect: bytes, found: tuple[str, str] | None) -> None:
    assert other_version(connect) == found


@given(st.binary(max_size=40))
def test_whatever_comes_is_read_without_a_fault(body: bytes) -> None:
    other_version(body)
    assert other_version(FIVE + body) is not None


def test_a_line_says_who_what_and_what_to_do() -> None:
    line = refusal("5", "sensor\n7", "127.0.0.1")
    assert "'sensor\\n7'" in line
    assert "MQTT 5" in line
    assert "-V mqttv311" in line
    assert len(refusal("5", "x" * 10_000, "127.0.0.1")) < 250 + LONGEST_ID


def test_a_line_is_told_once_and_strangers_do_not_fill_the_memory() -> None:
    told: list[str] = []
    remarks = Remarks(told.append)
    remarks.note("one")
    remarks.note("one")
    assert told == ["one"]
    assert remarks.lines() == ["one (2 times)"]
    for number in range(2 * MOST):
        remarks.note(str(number))
    assert len(told) == len(remarks.lines()) == MOST


def test_what_a_stranger_sent_does_not_reach_the_terminal_raw_nor_whole() -> None:
    assert failed_handshake("certificate revoked") == "a handshake failed: certificate revoked"
    line = failed_handshake("no WebSocket: \x1b[2J\n" + "x" * 10_000)
    assert line.isprintable()
    assert len(line) <= LONGEST_REASON + 20
