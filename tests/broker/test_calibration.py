"""Measuring a broker: what is counted, what is refused, and that nothing is left behind. Sizes are tiny."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from twinstorm.broker.calibration import Effort, Figure, Stopped, Target, calibrate, connects, messages
from twinstorm.broker.embedded_process import EmbeddedProcess
from twinstorm.broker.raw_client import RawClient, connect_packet, publish_packet, published

TINY = Effort(samples=2, connects=12, at_once=4, sample_s=0.1, calm_per_s=50)


@pytest.fixture(scope="module")
def broker() -> Iterator[EmbeddedProcess]:
    with EmbeddedProcess() as one:
        yield one


@pytest.fixture
def going_on() -> threading.Event:
    return threading.Event()


def test_every_figure_has_its_spread_and_comes_over_tls_too(broker: EmbeddedProcess, going_on: threading.Event) -> None:
    with EmbeddedProcess(certified_at=datetime.now(UTC)) as secret:
        figures = list(calibrate(broker.target, secret.target, TINY, going_on))
    assert [(figure.name, figure.unit) for figure in figures] == [
        ("connects, plain", "1/s"),
        ("connects, TLS", "1/s"),
        ("messages, QoS 0", "1/s"),
        ("messages, QoS 1", "1/s"),
        ("latency, median", "ms"),
        ("latency, 99th percentile", "ms"),
    ]
    for figure in figures:
        assert 0 < figure.low <= figure.median <= figure.high
        assert figure.samples == TINY.samples
    assert figures[4].median <= figures[5].median


def test_a_wrong_password_is_told_as_such(broker: EmbeddedProcess, going_on: threading.Event) -> None:
    stranger = Target(broker.target.host, broker.target.port, "guest", "wrong")
    with pytest.raises(ConnectionRefusedError, match="CONNACK 5"):
        connects(stranger, "connects", TINY, going_on)
    with pytest.raises(ConnectionRefusedError, match="CONNACK 5"):
        messages(stranger, 0, TINY, going_on)


def test_nobody_there_is_an_error_of_the_system(going_on: threading.Event) -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        with pytest.raises(ConnectionRefusedError):
            connects(Target("127.0.0.1", held.getsockname()[1]), "connects", TINY, going_on)


def test_one_that_listens_and_never_answers_ends_the_measurement(going_on: threading.Event) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute, pytest.raises(TimeoutError, match="no CONNACK"):
        connects(Target("127.0.0.1", mute.getsockname()[1]), "connects", TINY, going_on)


@pytest.mark.parametrize("qos", [0, 1])
def test_it_stops_when_it_is_told_to(broker: EmbeddedProcess, qos: int) -> None:
    stop = threading.Event()
    stop.set()
    with pytest.raises(Stopped):
        messages(broker.target, qos, TINY, stop)
    with pytest.raises(Stopped):
        connects(broker.target, "connects", TINY, stop)


def test_a_rate_that_the_client_bounds_says_so() -> None:
    assert Figure("connects", "1/s", 1.0, 1.0, 1.0, 1, client_share=0.95).is_lower_bound
    assert not Figure("connects", "1/s", 1.0, 1.0, 1.0, 1, client_share=0.3).is_lower_bound


@pytest.mark.parametrize("qos", [0, 1])
@pytest.mark.parametrize("size", [0, 100, 200, 20_000])
def test_packets_are_cut_where_they_end_however_they_arrive(qos: int, size: int) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        client = RawClient(("", 0))
        client.socket = ours
        packet = publish_packet("a/b", bytes(range(256)) * (size // 256) + bytes(size % 256), qos, 513)
        stream = packet * 3
        found: list[tuple[int, bytes]] = []
        for at in range(0, len(stream), max(len(packet) * 2 // 3, 1)):
            theirs.sendall(stream[at : at + max(len(packet) * 2 // 3, 1)])
            found.extend(client.receive())
        assert [published(body, first) for first, body in found] == [
            (b"\x02\x01" if qos else b"", packet[-size:] if size else b"")
        ] * 3


def test_a_password_without_a_user_is_not_sent() -> None:
    assert connect_packet("me", None, "secret") == connect_packet("me")
