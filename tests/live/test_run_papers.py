"""Certificates of a run that end or are called back meanwhile: the handshake itself fails, and a new one heals."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from fractions import Fraction

import numpy as np
import pytest
from cryptography import x509

from tests.live.raw_mqtt import until
from twinstorm.broker.embedded import EmbeddedBroker
from twinstorm.broker.live_misconduct import EXPIRED, REVOKED
from twinstorm.broker.run_certificates import RunCertificates
from twinstorm.broker.tls import client_context

NAMES = ["arn-1/motors-0001", "arn-1/motors-0002"]
CONNECT = b"\x10\x1d\x00\x04MQTT\x04\x02\x00\x3c\x00\x11" + NAMES[0].encode()
CONNACK = b"\x20\x02\x00\x00"
FIRST = np.array([0], np.int32)

Greet = Callable[..., bytes]


@pytest.fixture
def papers() -> Iterator[RunCertificates]:
    made = RunCertificates(NAMES, datetime.now(UTC))
    yield made
    made.close()


@pytest.fixture
def broker(papers: RunCertificates) -> Iterator[EmbeddedBroker]:
    made = EmbeddedBroker(NAMES, now_us=lambda: 0, speed=Fraction(1), tls=papers.server, papers=papers)
    made.open()
    yield made
    made.close()


@pytest.fixture
def greet(papers: RunCertificates, broker: EmbeddedBroker) -> Greet:
    """Connect as the first device, with what lies in its file now; what the broker answers, b"" if it hangs up."""

    def connect(context: ssl.SSLContext | None = None, sessions: list[ssl.SSLSession] | None = None) -> bytes:
        context = context or client_context(papers.devices[NAMES[0]])
        before = sessions[0] if sessions else None
        with socket.create_connection(("127.0.0.1", broker.port), 5) as plain:
            try:
                with context.wrap_socket(plain, server_hostname="127.0.0.1", session=before) as tls:
                    tls.sendall(CONNECT)
                    answer = tls.recv(16)
                    if sessions is not None and tls.session is not None:
                        sessions.append(tls.session)
                    return answer
            except OSError:
                return b""

    return connect


def in_file(papers: RunCertificates) -> x509.Certificate:
    path = papers.devices[NAMES[0]].certificate
    assert path is not None
    return x509.load_pem_x509_certificate(path.read_bytes())


def test_a_certificate_that_has_ended_fails_the_handshake_until_there_is_a_new_one(
    papers: RunCertificates, broker: EmbeddedBroker, greet: Greet
) -> None:
    first = in_file(papers)
    assert greet() == CONNACK
    broker.distrust("ends", FIRST, EXPIRED)
    assert in_file(papers).not_valid_after_utc < datetime.now(UTC)
    assert greet() == b""
    assert until(lambda: broker.refusals == {EXPIRED: 1})
    assert until(lambda: broker.evidence.get("ends") == {"connects_refused": 1})
    broker.behave("ends", FIRST, 0)
    assert greet() == CONNACK
    assert in_file(papers).serial_number != first.serial_number


def test_a_certificate_that_was_called_back_stays_so(
    papers: RunCertificates, broker: EmbeddedBroker, greet: Greet
) -> None:
    stolen = client_context(papers.devices[NAMES[0]])
    broker.distrust("back", FIRST, REVOKED)
    assert greet() == b""
    assert until(lambda: broker.evidence.get("back") == {"connects_refused": 1})
    broker.behave("back", FIRST, 0)
    assert greet() == CONNACK, "its device has another one"
    assert greet(stolen) == b""
    assert until(lambda: broker.refusals == {REVOKED: 2})


def test_a_resumed_session_of_tls_does_not_go_round_the_list(
    papers: RunCertificates, broker: EmbeddedBroker, greet: Greet
) -> None:
    context = client_context(papers.devices[NAMES[0]])
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    sessions: list[ssl.SSLSession] = []
    assert greet(context, sessions) == CONNACK
    assert sessions
    broker.distrust("back", FIRST, REVOKED)
    assert greet(context, sessions) == b""


def test_ended_and_called_back_at_once_is_over_when_both_are(
    papers: RunCertificates, broker: EmbeddedBroker, greet: Greet
) -> None:
    broker.distrust("ends", FIRST, EXPIRED)
    broker.distrust("back", FIRST, REVOKED)
    assert greet() == b""
    broker.behave("ends", FIRST, 0)
    assert greet() == b""
    assert until(lambda: broker.evidence.get("back") is not None)
    broker.behave("back", FIRST, 0)
    assert greet() == CONNACK


def test_others_go_on(papers: RunCertificates, broker: EmbeddedBroker, greet: Greet) -> None:
    broker.distrust("back", np.array([1], np.int32), REVOKED)
    broker.distrust("ends", np.array([1], np.int32), EXPIRED)
    assert greet() == CONNACK
    assert not papers.follow(frozenset(), frozenset())
