"""The embedded broker over TLS: who gets through the handshake, whom a certificate speaks for, and what it opens."""

from __future__ import annotations

import socket
import ssl
import stat
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from tests.live.raw_mqtt import PUBACK, RawClient, packet, publish, until
from twinstorm.broker.admission import Admission
from twinstorm.broker.amqtt_connection import CHUNK_BYTES
from twinstorm.broker.certificates import Signer
from twinstorm.broker.cloud_end import CLIENT_ID
from twinstorm.broker.door import Door
from twinstorm.broker.embedded import EmbeddedBroker, device_topics
from twinstorm.broker.expiry import LOOK_S
from twinstorm.broker.identity import Role
from twinstorm.broker.limits import Limits
from twinstorm.broker.pki import Authority
from twinstorm.broker.run_certificates import RunCertificates
from twinstorm.broker.tls import ClientTls, ServerTls, client_context

ONE, TWO, BEHIND = "fra-1/motors-0001", "fra-1/motors-0002", "fra-1/meters-0001"
NAMES = [ONE, TWO, BEHIND]
TELEMETRY, STATE = device_topics(ONE)


class Stand:
    """A broker that asks for certificates, and the clients of one test."""

    def __init__(self) -> None:
        self.papers = RunCertificates([ONE, TWO, BEHIND], datetime.now(UTC))
        self.broker = EmbeddedBroker(NAMES, now_us=lambda: 0, through={BEHIND: ONE}, tls=self.papers.server)
        self.broker.open()
        self.clients: list[RawClient] = []
        self.failures: list[dict[str, Any]] = []
        self.broker._own.loop.set_exception_handler(lambda _, context: self.failures.append(context))

    def client(self, papers: ClientTls | None = None) -> RawClient:
        tls = client_context(self.papers.devices[ONE] if papers is None else papers)
        self.clients.append(RawClient(self.broker.port, tls=tls))
        return self.clients[-1]

    def ask(
        self, papers: ClientTls, client_id: str, user: str | None = None, password: str | None = None, **options: Any
    ) -> int:
        """The answer to a CONNECT."""
        made = self.client(papers)
        made.send_connect(client_id, user, password, **options)
        return made.connack()

    def device(self, name: str = ONE, **options: Any) -> RawClient:
        made = self.client(self.papers.devices[name])
        made.send_connect(name, None, None, **options)
        assert made.connack() == 0
        return made

    def core(self, topic: str = "fleet/#") -> RawClient:
        made = self.client(self.papers.core)
        made.send_connect(CLIENT_ID, None, None)
        assert made.connack() == 0
        assert made.subscribe(topic) == 1
        return made

    def close(self) -> None:
        for client in self.clients:
            client.close()
        self.broker.close()
        self.papers.close()


@pytest.fixture
def stand() -> Iterator[Stand]:
    made = Stand()
    yield made
    made.close()
    assert made.failures == []
    assert all(thread.name != "twinstorm-broker" for thread in threading.enumerate())


# --- the handshake ----------------------------------------------------------------------------------------------------


def turned_away(stand: Stand, tls: ssl.SSLContext) -> str:
    """How a client that the broker does not believe ends, at the latest when it wants to read."""
    try:
        client = RawClient(stand.broker.port, tls=tls)
    except OSError:
        return "refused"
    stand.clients.append(client)
    client.send_connect(ONE, None, None)
    try:
        client.connack()
    except OSError:
        return "refused"
    return "let in"


def without_certificate(papers: ClientTls) -> ssl.SSLContext:
    return client_context(ClientTls(papers.ca))


def test_messages_go_from_device_to_core_over_tls(stand: Stand) -> None:
    listener, one = stand.core(), stand.device(will=(STATE, b"gone"))
    one.send(publish(TELEMETRY, b"x" * 100_000, qos=1))
    assert one.read()[0] == PUBACK
    assert listener.message().payload == b"x" * 100_000
    one.reset()
    assert listener.message().payload == b"gone"
    assert stand.broker.counters(0).sessions == 0


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_whoever_has_no_certificate_is_turned_away_and_the_reason_is_kept(
    stand: Stand, version: ssl.TLSVersion
) -> None:
    tls = without_certificate(stand.papers.core)
    tls.minimum_version = tls.maximum_version = version
    assert turned_away(stand, tls) == "refused"
    assert until(lambda: stand.broker.refusals == {"peer did not return a certificate": 1})
    counters = stand.broker.counters(0)
    assert (counters.attempts, counters.strangers, counters.unauthorised) == (0, 1, 1)


def test_plain_mqtt_and_noise_are_turned_away(stand: Stand) -> None:
    plain = RawClient(stand.broker.port)
    stand.clients.append(plain)
    plain.send_connect(ONE, ONE, "")
    assert plain.ends() != "open"
    noise = RawClient(stand.broker.port)
    stand.clients.append(noise)
    noise.send(b"GET / HTTP/1.1\r\n\r\n")
    assert noise.ends() != "open"
    assert until(lambda: stand.broker.refusals.total() == 2)
    assert stand.broker.counters(0).unauthorised == 0, "nobody has said who it is"
    stand.device()


@pytest.mark.parametrize(
    ("began", "lasts", "why"), [(-100, 50, "certificate has expired"), (3_600, 50, "not yet valid")]
)
def test_a_certificate_before_or_after_its_time_is_turned_away(
    tmp_path: Path, began: int, lasts: int, why: str
) -> None:
    now = datetime.now(UTC)
    authority = Authority.create(tmp_path / "pki", now - timedelta(hours=1))
    authority.issue(["broker"], Role.SERVER, now)
    (one,) = authority.issue([ONE], Role.DEVICE, now + timedelta(seconds=began), timedelta(seconds=lasts))
    broker = opened(authority)
    try:
        pair = authority.pair(one)
        client = RawClient(
            broker.port, tls=client_context(ClientTls(authority.certificate, pair.certificate, pair.key))
        )
        assert client.ends() != "open"
        client.close()
        assert until(lambda: any(why in reason for reason in broker.refusals)), broker.refusals
    finally:
        broker.close()


def opened(authority: Authority) -> EmbeddedBroker:
    pair = authority.pair(authority.newest("broker"))
    tls = ServerTls(pair.certificate, pair.key, authority.certificate, authority.revoked)
    broker = EmbeddedBroker(NAMES, now_us=lambda: 0, tls=tls)
    broker.open()
    return broker


def test_a_revoked_device_is_cut_and_does_not_come_back(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    authority = Authority.create(tmp_path / "pki", now)
    authority.issue(["broker"], Role.SERVER, now)
    authority.issue([ONE, TWO], Role.DEVICE, now)
    broker = opened(authority)
    contexts, clients = {}, {}
    try:
        for name in (ONE, TWO):
            pair = authority.pair(authority.newest(name))
            contexts[name] = client_context(ClientTls(authority.certificate, pair.certificate, pair.key))
            clients[name] = RawClient(broker.port, tls=contexts[name])
            clients[name].send_connect(name, None, None)
            assert clients[name].connack() == 0
        (gone,) = authority.revoke([ONE], now)
        assert broker.revoke([gone.serial], authority.revoked) == 1
        assert clients[ONE].ends() != "open"
        clients[TWO].ping()
        again = RawClient(broker.port, tls=contexts[ONE])
        assert again.ends() != "open"
        again.close()
        assert until(lambda: broker.refusals == {"certificate revoked": 1})
    finally:
        for client in clients.values():
            client.close()
        broker.close()


def test_a_connection_ends_with_its_certificate_and_no_other_does(tmp_path: Path) -> None:
    now, ahead_s = datetime.now(UTC), 0.0
    authority = Authority.create(tmp_path / "pki", now)
    authority.issue(["broker"], Role.SERVER, now)
    authority.issue([ONE], Role.DEVICE, now, timedelta(seconds=60))
    authority.issue([TWO], Role.DEVICE, now, timedelta(seconds=90))
    told: list[str] = []
    pair = authority.pair(authority.newest("broker"))
    tls = ServerTls(pair.certificate, pair.key, authority.certificate, authority.revoked)
    broker = EmbeddedBroker(
        NAMES, now_us=lambda: 0, tls=tls, tell=told.append, wall_s=lambda: now.timestamp() + ahead_s
    )
    broker.open()
    clients = []

    def enter(name: str) -> RawClient:
        papers = authority.pair(authority.newest(name))
        context = client_context(ClientTls(authority.certificate, papers.certificate, papers.key))
        clients.append(RawClient(broker.port, tls=context))
        clients[-1].send_connect(name, None, None)
        return clients[-1]

    try:
        one, two = enter(ONE), enter(TWO)
        assert (one.connack(), two.connack()) == (0, 0)
        ahead_s = 59.0
        assert one.ends(2.5 * LOOK_S) == "open"
        ahead_s = 61.5
        assert one.ends() != "open"
        two.ping()
        assert told == [f"cut {ONE}: its certificate has expired, and it needs a new one (twinstorm pki renew)"]
        assert enter(ONE).connack() == 5  # by the clock of OpenSSL it still holds
        assert broker.counters(0).sessions == 1
        ahead_s = 91.5
        assert two.ends() != "open"
        assert broker.snapshot()["counters"]["certificates_expired"] == 2
    finally:
        for client in clients:
            client.close()
        broker.close()


def test_a_serial_that_is_not_believed_any_more_does_not_pass_even_before_its_list_is_there(stand: Stand) -> None:
    one = stand.device()
    certificate = one.socket
    assert isinstance(certificate, ssl.SSLSocket)
    ours = ssl.PEM_cert_to_DER_cert(
        "".join(Path(str(stand.papers.devices[ONE].certificate)).read_text().partition("-----BEGIN PRIVATE")[0])
    )
    from cryptography import x509

    serial = f"{x509.load_der_x509_certificate(ours).serial_number:x}"
    assert stand.broker.revoke([serial]) == 1
    assert one.ends() != "open"
    assert stand.ask(stand.papers.devices[ONE], ONE) == 5


def test_a_handshake_that_does_not_end_is_cut_by_an_outage(stand: Stand) -> None:
    half = RawClient(stand.broker.port)
    stand.clients.append(half)
    half.send(b"\x16\x03\x01")
    stand.device()
    assert stand.broker.stop(0) == 1
    assert half.ends() == "reset"
    stand.broker.start(0)
    stand.device()


@pytest.mark.parametrize("door", [Door(), Door(websocket=("127.0.0.1", 0))], ids=["tls", "wss"])
def test_handshakes_count_to_the_time_in_which_a_client_must_ask(door: Door) -> None:
    papers = RunCertificates([ONE], datetime.now(UTC))
    broker = EmbeddedBroker([ONE], now_us=lambda: 0, tls=papers.server, door=door, limits=Limits(connect_s=0.3))
    broker.open()
    try:
        ports = [broker.port] if door.websocket is None else [broker.port, broker.websocket_port]
        for port in ports:
            silent = RawClient(port)
            assert silent.ends(within_s=3.0) != "open"
            silent.close()
        half = RawClient(ports[-1], tls=client_context(papers.devices[ONE]))
        assert half.ends(within_s=3.0) != "open"
        half.close()
    finally:
        broker.close()
        papers.close()


def test_a_silent_outage_shakes_no_hands(stand: Stand) -> None:
    assert stand.broker.stop(0, silent=True) == 0
    tls = client_context(stand.papers.devices[ONE])
    raw = socket.create_connection(("127.0.0.1", stand.broker.port), timeout=0.3)
    with raw, pytest.raises(TimeoutError):
        tls.wrap_socket(raw, server_hostname="127.0.0.1")
    stand.broker.start(0)
    stand.device()


def test_many_at_once_all_get_through(stand: Stand) -> None:
    """The first bytes of a client may be there before its task begins: none of them may be lost."""
    tls = client_context(stand.papers.core)
    began = threading.Barrier(40)
    answers: list[str | None] = []

    def come() -> None:
        began.wait(5.0)
        client = RawClient(stand.broker.port, tls=tls)
        answers.append(client.socket.version() if isinstance(client.socket, ssl.SSLSocket) else None)
        client.close()

    threads = [threading.Thread(target=come) for _ in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20.0)
    assert answers == ["TLSv1.3"] * 40


# --- identity ---------------------------------------------------------------------------------------------------------


def test_nobody_has_a_password(stand: Stand) -> None:
    assert stand.broker.device_passwords == ("", "", "")
    assert stand.ask(stand.papers.devices[ONE], ONE, "twinstorm-core", stand.broker.core_credentials[1]) == 5


@pytest.mark.parametrize(
    ("papers", "client_id", "user", "answer"),
    [
        (ONE, ONE, None, 0),
        (ONE, ONE, ONE, 0),
        (ONE, TWO, None, 5),
        (ONE, TWO, TWO, 5),
        (ONE, ONE, TWO, 5),
        (ONE, CLIENT_ID, None, 5),
        (BEHIND, BEHIND, None, 5),
        ("core", CLIENT_ID, None, 0),
        ("core", "other", None, 0),
        ("core", ONE, None, 5),
        ("guest", "somebody", None, 5),
    ],
)
def test_a_certificate_speaks_for_one_client_id(
    stand: Stand, papers: str, client_id: str, user: str | None, answer: int
) -> None:
    found = {"core": stand.papers.core, "guest": stand.papers.guest}.get(papers) or stand.papers.devices[papers]
    assert stand.ask(found, client_id, user) == answer


def test_a_guest_comes_when_invited_and_takes_nobodys_session(stand: Stand) -> None:
    one, core = stand.device(), stand.core()
    stand.broker.guests_may_come()
    assert stand.ask(stand.papers.guest, ONE) == 5
    assert stand.ask(stand.papers.guest, CLIENT_ID) == 5
    assert stand.ask(stand.papers.guest, "somebody") == 0
    one.ping()
    core.ping()


def test_a_device_may_say_and_hear_what_is_its_own(stand: Stand) -> None:
    listener, one, two = stand.core(), stand.device(ONE), stand.device(TWO)
    own, others = "fleet/default/fra-1/motors-0001/command", "fleet/default/fra-1/motors-0002/command"
    assert [one.subscribe(topic) for topic in (own, others, "fleet/#", "fleet/default/fra-1/+/command", "#")] == [
        1,
        *[0x80] * 4,
    ]
    one.send(publish(device_topics(TWO)[0], b"forged", qos=1))
    one.send(publish(TELEMETRY, b"mine", qos=1))
    assert listener.message().payload == b"mine"
    listener.send(publish(others, b"for two", qos=1, retain=True))
    listener.send(publish(own, b"for one", qos=1, retain=True))
    assert one.message().payload == b"for one"
    two.ping()


def test_retained_messages_are_received_by_those_who_may(stand: Stand) -> None:
    own, others = "fleet/default/fra-1/motors-0001/command", "fleet/default/fra-1/motors-0002/command"
    core = stand.core()
    for topic in (own, others):
        core.send(publish(topic, topic.encode(), qos=1, retain=True))
        assert core.message().topic == topic
    one = stand.device(ONE)
    one.send(
        packet(0x82, b"\0\1" + b"".join(bytes([0, len(topic)]) + topic.encode() + b"\1" for topic in (others, own)))
    )
    kept = one.message()
    assert (kept.topic, kept.retain) == (own, True)
    one.socket.settimeout(0.3)
    with pytest.raises(TimeoutError):
        one.message()


def test_devices_with_certificates_meet_the_token_bucket(stand: Stand) -> None:
    stand.device(ONE)
    stand.broker.begin(Admission(Fraction(1, 1_000), burst=1, queue=0))
    stand.device(TWO)
    assert stand.ask(stand.papers.devices[ONE], ONE) == 3
    stand.core()


# --- the end ----------------------------------------------------------------------------------------------------------


def test_what_is_written_and_not_taken_has_the_same_limit_as_without_tls(stand: Stand) -> None:
    stalled = RawClient(stand.broker.port, 4_096, client_context(stand.papers.core))
    stand.clients.append(stalled)
    stalled.send_connect(CLIENT_ID, None, None)
    assert stalled.connack() == 0
    assert stalled.subscribe("fleet/#") == 1
    one = stand.device()
    for _ in range(150):
        one.send(publish(TELEMETRY, bytes(60_000)))
    one.ping()
    assert until(lambda: stand.broker.counters(0).queue > 10)
    limit = Limits().write_buffer_bytes
    written = [writer.transport.get_write_buffer_size() for writer, _ in stand.broker._links.open.values()]
    assert limit < max(written) < limit + 70_000 + CHUNK_BYTES


def test_the_broker_ends_within_two_seconds_whoever_is_there() -> None:
    stand = Stand()
    stand.device()
    stand.core().socket.settimeout(0.1)
    stand.clients.append(RawClient(stand.broker.port))
    stand.clients[-1].send(b"\x16\x03\x01\x02")
    began = time.monotonic()
    stand.broker.close()
    assert time.monotonic() - began < 2.0
    stand.close()
    assert stand.failures == []


def test_the_keys_of_a_run_are_its_owners_alone_and_go_with_it() -> None:
    papers = RunCertificates([ONE], datetime.now(UTC))
    assert papers.core.ca is not None
    folder = papers.core.ca.parent
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    keys = [path for path in folder.iterdir() if b"PRIVATE KEY" in path.read_bytes()]
    assert len(keys) == 4
    assert {stat.S_IMODE(path.stat().st_mode) for path in keys} == {0o600}
    papers.close()
    papers.close()
    assert not folder.exists()


def test_papers_that_cannot_be_made_leave_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(Signer, "certify", full)
    with pytest.raises(OSError, match="No space"):
        RunCertificates([ONE], datetime.now(UTC))
    assert list(tmp_path.iterdir()) == []
