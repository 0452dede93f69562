"""`twinstorm broker`: the embedded broker alone, by its own process and by hand-made packets."""

from __future__ import annotations

import os
import signal
import socket
import stat
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from tests.broker.handshake import with_password
from tests.cli.conftest import Ran, command
from tests.live.broker_process import Running
from tests.live.raw_mqtt import RawClient, publish, until
from twinstorm.broker.door import Door
from twinstorm.broker.embedded import EmbeddedBroker
from twinstorm.broker.tls import ClientTls, client_context

__all__ = ["command"]

ONE, TWO = "fra-1/motors-0001", "fra-1/motors-0002"
TELEMETRY = "fleet/default/fra-1/motors-0001/telemetry"


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Callable[..., Running]]:
    made: list[Running] = []

    def start(*words: str) -> Running:
        made.append(Running(tmp_path, *words))
        return made[-1]

    yield start
    for one in made:
        one.process.kill()
        one.process.communicate()


def client(stack: ExitStack, port: int, client_id: str, user: str, password: str) -> tuple[RawClient, int]:
    made = RawClient(port)
    stack.callback(made.close)
    made.send_connect(client_id, user, password)
    return made, made.connack()


def test_guests_talk_about_anything_devices_about_themselves_and_ctrl_c_ends_it(
    run: Callable[..., Running], tmp_path: Path
) -> None:
    running = run("--client", ONE)
    words = running.credentials()
    assert sorted(words) == [ONE, "guest"]
    path = tmp_path / "broker.credentials"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with ExitStack() as stack:
        guest, answer = client(stack, running.port, "anybody", "guest", words["guest"])
        assert answer == 0
        assert guest.subscribe("#") == 1
        other, answer = client(stack, running.port, "another", "guest", words["guest"])
        other.send(publish("any/thing", b"hello"))
        assert guest.message().topic == "any/thing"
        device, answer = client(stack, running.port, ONE, ONE, words[ONE])
        assert answer == 0
        device.send(publish("any/thing", b"forged"))
        device.send(publish(TELEMETRY, b"mine"))
        assert guest.message().payload == b"mine"
        assert client(stack, running.port, "anybody", "guest", "guess")[1] == 5
        assert client(stack, running.port, TWO, TWO, "")[1] == 5
        code, counted = running.end()
    assert code == 0
    assert not path.exists()
    assert (counted[-1]["connects"], counted[-1]["refused"], counted[-1]["in"]) == (3, 2, 3)
    assert not any(password in running.said for password in words.values())


def test_clients_come_over_websocket_and_who_speaks_mqtt_5_is_told_of(run: Callable[..., Running]) -> None:
    running = run("--websocket", "0", "--for", "20 s")
    port = int(running.said.rpartition("for WebSocket on 127.0.0.1:")[2].partition(",")[0])
    other = RawClient(running.port)
    other.send(b"\x10\x0e\0\4MQTT\5\2\0\x3c\0\0\1x")
    assert other.connack() == 1
    other.close()
    with connect(f"ws://127.0.0.1:{port}", subprotocols=[Subprotocol("mqtt")]) as connection:
        connection.send(b"\x10\x0d\0\4MQTT\4\2\0\x3c\0\1x")
        assert connection.recv(timeout=5.0) == b"\x20\2\0\5"  # it has no password
    code, counted = running.end()
    assert (code, counted[-1]["refused"]) == (0, 2)
    assert "refused a client at 127.0.0.1, 'x': it speaks MQTT 5" in running.said


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_whoever_ends_it_finds_nothing_left(run: Callable[..., Running], tmp_path: Path, number: int) -> None:
    assert run().end(number)[0] == 0
    assert list(tmp_path.iterdir()) == []


def test_it_ends_when_its_time_is_over(run: Callable[..., Running]) -> None:
    running = run("--for", "300 ms")
    assert running.process.wait(timeout=20) == 0


def test_certificates_of_a_folder_are_believed_and_what_pki_does_meanwhile_counts(
    run: Callable[..., Running], command: Callable[..., Ran], tmp_path: Path
) -> None:
    assert command("pki", "init").code == 0
    assert command("pki", "issue", "--server", "broker").code == 0
    assert command("pki", "issue", "--guest", "ana").code == 0
    assert command("pki", "issue", ONE).code == 0
    running = run("--pki", "pki")
    assert not (tmp_path / "broker.credentials").exists()

    def enter(name: str, client_id: str) -> RawClient:
        pair = tmp_path / "pki/issued" / name / "_1"
        papers = ClientTls(tmp_path / "pki/ca.pem", pair / "cert.pem", pair / "key.pem")
        made = RawClient(running.port, tls=client_context(papers))
        made.send_connect(client_id, None, None)
        return made

    guest, one = enter("ana", "x"), enter(ONE, ONE)
    assert (guest.connack(), one.connack()) == (0, 0)
    assert guest.subscribe("#") == 1
    one.send(publish(TELEMETRY, b"mine"))
    assert guest.message().payload == b"mine"
    command("pki", "issue", TWO)

    def comes() -> bool:
        two = enter(TWO, TWO)
        answer = two.connack()
        two.close()
        return answer == 0

    assert until(comes, 10.0)
    command("pki", "revoke", ONE)
    assert one.ends(10.0) != "open"
    guest.ping()
    stranger = RawClient(running.port)
    stranger.send_connect(ONE, None, None)
    assert stranger.ends(10.0) != "open"
    stranger.close()
    guest.close()
    one.close()
    assert running.end()[0] == 0
    assert "1 revoked, 1 of them cut" in running.said
    assert "a handshake failed: " in running.said


def kept(stack: ExitStack, running: Running, present: int) -> RawClient:
    made = RawClient(running.port)
    stack.callback(made.close)
    made.send_connect("kept", "guest", running.credentials()["guest"], clean=False)
    assert made.read() == (0x20, bytes([present, 0]))
    return made


def test_a_state_file_takes_sessions_and_messages_to_the_next_broker(
    run: Callable[..., Running], tmp_path: Path
) -> None:
    path = tmp_path / "broker.state"
    running = run("--state", str(path), "--sys", "off")
    with ExitStack() as stack:
        one = kept(stack, running, present=0)
        assert one.subscribe("a/#") == 1
        one.send(publish("a/b", b"under way", qos=1))
        assert one.message(acknowledge=False).payload == b"under way"
        assert running.end()[0] == 0
    assert "1 sessions and 0 retained messages" in running.said
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    running = run("--state", str(path), "--sys", "off")
    with ExitStack() as stack:
        told = kept(stack, running, present=1).message()
        assert (told.payload, told.dup) == (b"under way", True)
        assert running.end()[0] == 0


def test_limits_are_asked_for_by_options_and_it_tells_about_itself(run: Callable[..., Running]) -> None:
    running = run("--max-inflight", "1", "--max-packet", "100 B", "--max-connects", "1000/s", "--sys", "100 ms")
    with ExitStack() as stack:
        password = running.credentials()["guest"]
        one, _ = client(stack, running.port, "one", "guest", password)
        assert one.subscribe("#") == 1
        for number in (1, 2):
            one.send(publish("a", b"%d" % number, qos=1, number=number))
        assert one.message(acknowledge=False).payload == b"1"
        one.ping()
        watcher, _ = client(stack, running.port, "watcher", "guest", password)
        assert watcher.subscribe("$SYS/broker/in_flight/out") == 1
        while watcher.message().payload != b"1":
            pass
        one.send(publish("a", bytes(100)))
        assert one.ends() != "open"


def test_a_taken_port_is_not_available(command: Callable[..., Ran], tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ran = command("broker", "--port", str(taken.getsockname()[1]))
    assert ran.code == 4
    assert "--port 0" in ran.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--bind", "0.0.0.0"], ("lets other machines in", "--yes")),
        (["--bind", "example"], ("no IPv4 address", "127.0.0.1")),
        (["--websocket", "0.0.0.0:9001"], ("--websocket 0.0.0.0 lets other machines in", "--yes")),
        (["--websocket", "localhost:9001"], ("--websocket: `localhost` is no IPv4 address", "127.0.0.1")),
        (["--websocket", "70000"], ("--websocket: `70000` is no port", "9001")),
        (["--client", "motor"], ("SITE/DEVICE", "fra-1/motors-0001")),
        (["--client", ONE, "--pki", "pki"], ("with --pki", "pki issue")),
        (["--pki", "nowhere"], ("holds no certificate authority", "pki init --dir nowhere")),
        (["--every", "0 s"], ("--every", "no time at all")),
        (["--sys", "often"], ("--sys", "often")),
        (["--max-inflight", "0"], ("in_flight is 0", "leave the option out")),
        (["--max-queue", "many"], ("--max-queue", "not a whole number")),
        (["--max-packet", "1 lot"], ("--max-packet", "not a size")),
        (["--max-connects", "5"], ("--max-connects", "5/s")),
        (["--max-publishes", "1 %/s"], ("--max-publishes", "100/s")),
        (["--state", "there"], ("there holds no state of a broker", "begin anew")),
        (["--state", "no/such"], ("cannot write no/such", "not a folder")),
        (["--port", "0", "--credentials", "there"], ("there exists", "--credentials FILE")),
        (["--port", "0", "--credentials", "no/such"], ("cannot write", "--credentials FILE")),
        (["--port", "70000"], ("65535",)),
    ],
)
def test_what_is_wrong_is_said_with_a_way_out(
    command: Callable[..., Ran], tmp_path: Path, words: list[str], told: tuple[str, ...]
) -> None:
    (tmp_path / "there").write_text("mine")
    ran = command("broker", *words)
    assert ran.code == 2
    assert all(part in ran.err for part in told), ran.err
    assert os.listdir(tmp_path) == ["there"]  # noqa: PTH208
    assert (tmp_path / "there").read_text() == "mine"


@pytest.mark.parametrize(
    ("before", "told"),
    [
        ([], "broker has no certificate here"),
        ([["issue", "broker"]], "broker is a device's certificate"),
        ([["issue", "broker", "--server"], ["revoke", "broker"]], "the certificate of broker is revoked"),
    ],
)
def test_a_server_without_a_good_certificate_does_not_start(
    command: Callable[..., Ran], before: list[list[str]], told: str
) -> None:
    command("pki", "init")
    for words in before:
        assert command("pki", *words).code == 0
    ran = command("broker", "--pki", "pki")
    assert ran.code == 2
    assert told in ran.err


def test_a_server_whose_key_has_a_password_does_not_start_and_asks_nobody(
    command: Callable[..., Ran], tmp_path: Path
) -> None:
    command("pki", "init")
    command("pki", "issue", "broker", "--server")
    with_password(tmp_path / "pki/issued/broker/_1/key.pem")
    ran = command("broker", "--pki", "pki", "--port", "0")
    assert ran.code == 2
    assert "key.pem must have no password" in ran.err


def test_other_addresses_are_bound_only_when_meant() -> None:
    with pytest.raises(ValueError, match="wide"):
        Door("0.0.0.0")
    broker = EmbeddedBroker([ONE], now_us=lambda: 0, door=Door("0.0.0.0", wide=True))
    broker.open()
    stranger = RawClient(broker.port)
    stranger.send_connect("x", "guest", "")
    assert stranger.connack() == 5
    stranger.close()
    broker.close()
