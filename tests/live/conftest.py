"""Clients by hand for whatever broker a module opens."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.live.raw_mqtt import Client
from twinstorm.broker.embedded import EmbeddedBroker


@pytest.fixture
def client(broker: EmbeddedBroker) -> Iterator[Callable[[], Client]]:
    """One more connection to the `broker` of the module at each call, all closed with the test."""
    made: list[Client] = []

    def make() -> Client:
        made.append(Client(broker.port))
        return made[-1]

    yield make
    for one in made:
        one.close()
