"""A fleet on a broker of another make, over TLS and over WebSocket."""

from __future__ import annotations

import getpass
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.conftest import Mosquitto, require_command, start_mosquitto, stop_mosquitto
from twinstorm.broker.identity import Role
from twinstorm.broker.pki import Authority
from twinstorm.broker.tls import ClientTls
from twinstorm.broker.url import Login
from twinstorm.scenarios.engine.errors import Unavailable
from twinstorm.scenarios.engine.run import Run, RunOptions
from twinstorm.scenarios.language.reader import load

CALM = """storm: 1
name: calm
story: A few devices that reconnect once.
duration: 8 s
warm_up: 1 s
fleet:
  devices: 6
  sites: [arn-1, fra-1]
  keep_alive: 12 s
  boot: 100 ms .. 200 ms
  reconnect: {backoff: exponential, base: 200 ms, cap: 1 s, jitter: full, timeout: 3 s}
  segments:
    motors: {kind: motor, share: 100 %, every: 1 s, link: ethernet}
broker: {connects: none}
steps:
  - {name: outage, at: 2 s, fault: power-outage, target: site=fra-*, lasts: 1 s}
expect:
  - {ledger: lost, at_most: 0 %}
"""
SECRET = "a b-c"


class Papers:
    """Certificates and a password file for a Mosquitto."""

    def __init__(self, folder: Path) -> None:
        now = datetime.now(UTC)
        self.folder = folder
        self.authority = Authority.create(folder / "pki", now)
        self.authority.issue(["broker"], Role.SERVER, now, hosts=["127.0.0.1"])
        self.authority.issue(["lab"], Role.GUEST, now)
        self.server = self.authority.pair(self.authority.newest("broker"))
        guest = self.authority.pair(self.authority.newest("lab"))
        self.tls = ClientTls(self.authority.certificate, guest.certificate, guest.key, strict=False)
        self.passwords = folder / "passwords"
        subprocess.run(
            [require_command("mosquitto_passwd"), "-c", "-b", str(self.passwords), "ana", SECRET],
            check=True,
            timeout=10,
            capture_output=True,
        )

    def settings(self, *more: str) -> list[str]:
        return [
            f"cafile {self.authority.certificate}",
            f"certfile {self.server.certificate}",
            f"keyfile {self.server.key}",
            f"password_file {self.passwords}",
            f"user {getpass.getuser()}",  # whose files it may read
            "require_certificate true",
            "allow_anonymous false",
            *more,
        ]


@pytest.fixture
def papers(tmp_path: Path) -> Papers:
    return Papers(tmp_path)


@pytest.fixture
def broker(request: pytest.FixtureRequest, papers: Papers, tmp_path: Path) -> Iterator[Mosquitto]:
    made = start_mosquitto(tmp_path, *papers.settings(*request.param))
    yield made
    stop_mosquitto(made)


def play(tmp_path: Path, **options: object) -> None:
    path = tmp_path / "calm.storm.yaml"
    path.write_text(CALM, encoding="utf-8")
    result = Run(load(str(path)), RunOptions(seed=3, live=True, **options)).execute()  # type: ignore[arg-type]
    assert result.verdict == "held", result.expectations
    assert result.counts["reboots"] == 3
    assert result.ledger.delivered > 20


@pytest.mark.parametrize(("broker", "scheme"), [([], "mqtts"), (["protocol websockets"], "wss")], indirect=["broker"])
def test_a_fleet_meets_a_broker_that_wants_tls_a_certificate_and_a_password(
    broker: Mosquitto, scheme: str, papers: Papers, tmp_path: Path
) -> None:
    play(
        tmp_path,
        broker_url=f"{scheme}://127.0.0.1:{broker.port}",
        broker_login=Login("ana", SECRET),
        broker_tls=papers.tls,
    )


def test_a_fleet_meets_a_broker_over_websocket(tmp_path: Path) -> None:
    made = start_mosquitto(tmp_path, "protocol websockets", "allow_anonymous true")
    try:
        play(tmp_path, broker_url=f"ws://127.0.0.1:{made.port}")
    finally:
        stop_mosquitto(made)


@pytest.mark.parametrize("broker", [[]], indirect=True)
@pytest.mark.parametrize(
    ("login", "trusts", "has_certificate", "why"),
    [
        (Login("ana", "wrong"), True, True, "refuses the core"),
        (Login("ana", SECRET), False, True, "certificate verify failed"),
        (Login("ana", SECRET), True, False, "closes the connection"),
    ],
)
def test_a_broker_that_does_not_want_us_is_unavailable_and_says_why(
    broker: Mosquitto, login: Login, trusts: bool, has_certificate: bool, why: str, papers: Papers, tmp_path: Path
) -> None:
    tls = papers.tls if has_certificate else ClientTls(papers.tls.ca, strict=False)
    if not trusts:
        other = Authority.create(tmp_path / "other", datetime.now(UTC))
        tls = ClientTls(other.certificate, tls.certificate, tls.key, strict=False)
    with pytest.raises(Unavailable, match=why) as refused:
        play(tmp_path, broker_url=f"mqtts://127.0.0.1:{broker.port}", broker_login=login, broker_tls=tls)
    assert f"127.0.0.1:{broker.port}" in str(refused.value)
    assert SECRET not in str(refused.value)
