"""Whom the door lets in under which name, and what guests may say."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from amqtt.broker import Action

from twinstorm.broker import doorkeeper
from twinstorm.broker.doorkeeper import Doorkeeper
from twinstorm.broker.identity import Role, identity_uri
from twinstorm.broker.tls import Peer
from twinstorm.twin.wire.wires import Ear

ONE = "fra-1/motors-0001"
TELEMETRY = f"fleet/default/{ONE}/telemetry"


def door(*, certificates: bool, any_topic: bool = False) -> Doorkeeper:
    made = Doorkeeper((ONE,), {}, Ear(), lambda: 0.0, asks_for_certificates=certificates, any_topic=any_topic)
    made.guest_credentials()
    return made


class Tls:
    """In place of a connection whose certificate is that of a guest."""

    def __init__(self, name: str) -> None:
        self.name = name


def guest(name: str, client_id: str) -> Any:
    return SimpleNamespace(ssl_object=Tls(name), username=None, password=None, client_id=client_id)


@pytest.fixture
def papers(monkeypatch: pytest.MonkeyPatch) -> None:
    """A certificate is the name of its guest."""
    monkeypatch.setattr(doorkeeper, "peer_of", lambda tls: Peer(identity_uri(Role.GUEST, tls.name), "1", 1 << 40))


@pytest.mark.usefixtures("papers")
def test_a_guest_with_a_certificate_takes_over_no_session_of_another_guest() -> None:
    made = door(certificates=True)
    assert made.authenticate(guest("ana", "laptop"))
    assert not made.authenticate(guest("ben", "laptop"))
    assert made.authenticate(guest("ana", "laptop")), "her own she may"
    assert made.authenticate(guest("ben", "phone"))
    assert made.authenticate(guest("ana", ""))
    assert made.authenticate(guest("ben", "")), "the broker names those who say no name"


@pytest.mark.usefixtures("papers")
def test_so_many_names_of_guests_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doorkeeper, "MOST_GUEST_IDS", 3)
    made = door(certificates=True)
    for number in range(5):
        assert made.authenticate(guest("ana", f"c{number}"))
    assert not made.authenticate(guest("ben", "c4"))
    assert made.authenticate(guest("ben", "c0")), "forgotten"


@pytest.mark.parametrize("any_topic", [False, True])
def test_a_guest_of_a_run_reads_the_fleet_and_says_nothing_in_its_name(any_topic: bool) -> None:
    made = door(certificates=False, any_topic=any_topic)
    user, _ = made.guest_credentials()
    session: Any = SimpleNamespace(username=user)
    assert made.may_use(session, "fleet/#", Action.SUBSCRIBE)
    assert made.may_use(session, TELEMETRY, Action.RECEIVE)
    assert made.may_use(session, TELEMETRY, Action.PUBLISH) == any_topic
    assert made.may_use(session, "fleet/hello", Action.PUBLISH)
    assert made.may_use(session, "plant/1", Action.PUBLISH) == any_topic
