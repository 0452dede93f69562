"""What a run retains on a broker that is not ours goes with the run; what was there before stays."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.conftest import Mosquitto
from tests.live.raw_mqtt import PUBACK, RawClient, publish
from tests.live.test_foreign_transports import CALM
from twinstorm.broker.embedded import EmbeddedBroker, device_topics
from twinstorm.broker.url import Login
from twinstorm.scenarios.engine.run import Run, RunOptions
from twinstorm.scenarios.language.reader import load

OLD, NEW = device_topics("arn-1/motors-0001")[1], device_topics("fra-1/motors-0001")[0]
STRANGE = "fleet/default/arn-1/nobody-0001/state"


class Broker:
    """One that outlives the run."""

    def __init__(self, port: int, login: Login | None) -> None:
        self.port, self.login = port, login

    def client(self, stack: ExitStack, name: str) -> RawClient:
        made = RawClient(self.port)
        stack.callback(made.close)
        user, password = (None, None) if self.login is None else (self.login.user, self.login.password)
        made.send_connect(name, user, password)
        assert made.connack() == 0
        return made

    def retain(self, *topics: str) -> None:
        with ExitStack() as stack:
            client = self.client(stack, "somebody")
            for topic in topics:
                client.send(publish(topic, b"kept", qos=1, retain=True))
                assert client.read()[0] == PUBACK

    def retained(self) -> list[str]:
        with ExitStack() as stack:
            client = self.client(stack, "look")
            assert client.subscribe("fleet/#", 0) == 0
            client.send(publish("fleet/end", b"", qos=0))
            found = []
            while (message := client.message()).topic != "fleet/end":
                assert message.retain
                found.append(message.topic)
            return sorted(found)


@pytest.fixture(params=["embedded", "mosquitto"])
def broker(request: pytest.FixtureRequest) -> Iterator[Broker]:
    if request.param == "mosquitto":
        made: Mosquitto = request.getfixturevalue("mosquitto")
        yield Broker(made.port, None)
        return
    embedded = EmbeddedBroker([], now_us=lambda: 0)
    embedded.open()
    yield Broker(embedded.port, Login(*embedded.core_credentials))
    embedded.close()


@pytest.mark.parametrize("is_interrupted", [False, True])
def test_what_a_run_retains_goes_with_it(broker: Broker, is_interrupted: bool, tmp_path: Path) -> None:
    broker.retain(OLD, STRANGE)
    path = tmp_path / "calm.storm.yaml"
    path.write_text(CALM.replace("duration: 6 s", "duration: 3 s"), encoding="utf-8")
    url = f"mqtt://127.0.0.1:{broker.port}"
    run = Run(load(str(path)), RunOptions(seed=3, live=True, broker_url=url, broker_login=broker.login))
    goes = threading.Event()

    def meanwhile() -> None:
        assert goes.wait(20.0)
        broker.retain(NEW)
        if is_interrupted:
            run.interrupt()

    helper = threading.Thread(target=meanwhile)
    helper.start()
    result = run.execute(lambda _: goes.set())
    helper.join()
    assert result.ended == ("interrupted" if is_interrupted else "completed")
    assert broker.retained() == sorted([OLD, STRANGE])
    told = " ".join(result.notes)
    assert "1 retained messages of this run were removed" in told
    assert "1 retained messages about these devices were there before" in told
    assert result.ledger.lost.get("dead_letter", 0) == 0
