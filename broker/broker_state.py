"""What a broker knows beyond its connections, as plain data: it can come back with it, in another process too.

Of every session that outlives its connection: its subscriptions, and its mailbox with packet ids and how far each
exchange at QoS 2 has come; and the retained messages. Passwords, wills and clean sessions are not in it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec

from twinstorm.broker.mailbox import Flight, Mailbox, Message, Stage
from twinstorm.broker.private_files import replace_whole


class StateError(Exception):
    """A file that holds no state of a broker, or one of another version."""


class SavedMessage(msgspec.Struct, frozen=True, array_like=True):
    """A message that waits, is under way, or is retained."""

    topic: str
    payload: bytes
    qos: Literal[0, 1, 2]
    retain: bool = False


class SavedFlight(msgspec.Struct, frozen=True, array_like=True):
    """A message under way to a client; `is_released`: at QoS 2, the client has it and was told to pass it on."""

    number: int
    message: SavedMessage
    is_released: bool


class SavedSession(msgspec.Struct, frozen=True, kw_only=True):
    """A session whose client may come back for it.

    Attributes:
        user: whose it is: what it may receive hangs on that.
        subscriptions: filters and granted QoS.
        waiting, in_flight, received, last_number: see `Mailbox`.
    """

    client_id: str
    user: str
    subscriptions: tuple[tuple[str, Literal[0, 1, 2]], ...]
    waiting: tuple[SavedMessage, ...]
    in_flight: tuple[SavedFlight, ...]
    received: tuple[tuple[int, SavedMessage], ...]
    last_number: int


class BrokerState(msgspec.Struct, frozen=True, kw_only=True):
    """Of a whole broker."""

    schema: Literal["twinstorm/broker-state/1"] = "twinstorm/broker-state/1"
    sessions: tuple[SavedSession, ...] = ()
    retained: tuple[SavedMessage, ...] = ()


def saved(message: Message) -> SavedMessage:
    return SavedMessage(message.topic, message.payload, _qos(message.qos), message.retain)


def saved_session(client_id: str, user: str, subscriptions: list[tuple[str, int]], box: Mailbox) -> SavedSession:
    """A session as it is now."""
    return SavedSession(
        client_id=client_id,
        user=user,
        subscriptions=tuple((name, _qos(qos)) for name, qos in subscriptions),
        waiting=tuple(map(saved, box.waiting)),
        in_flight=tuple(
            SavedFlight(number, saved(flight.message), flight.stage is Stage.RELEASED)
            for number, flight in box.in_flight.items()
        ),
        received=tuple((number, saved(message)) for number, message in box.received.items()),
        last_number=box.last_number,
    )


def restored(session: SavedSession) -> Mailbox:
    """Its mailbox, as it was."""
    box = Mailbox(last_number=session.last_number)
    for kept in session.waiting:
        box.waiting.append(_message(kept))
    box.waiting_bytes = sum(message.size_bytes for message in box.waiting)
    for flight in session.in_flight:
        box.in_flight[flight.number] = Flight(
            _message(flight.message), Stage.RELEASED if flight.is_released else Stage.SENT
        )
    for number, kept in session.received:
        box.received[number] = _message(kept)
    return box


def write_state(path: Path, state: BrokerState) -> None:
    """At once and for its owner alone: it holds payloads.

    Raises:
        OSError: it cannot be written; the older file stays as it was.
    """
    replace_whole(path, msgspec.msgpack.encode(state))


def read_state(path: Path) -> BrokerState | None:
    """None: there is no such file.

    Raises:
        StateError: it is none.
        OSError: it cannot be read.
    """
    try:
        return msgspec.msgpack.decode(path.read_bytes(), type=BrokerState)
    except FileNotFoundError:
        return None
    except msgspec.MsgspecError as error:
        raise StateError(f"{path} holds no state of a broker: {error}") from error


def _message(kept: SavedMessage) -> Message:
    return Message(kept.topic, kept.payload, kept.qos, kept.retain)


def _qos(qos: int) -> Literal[0, 1, 2]:
    return 0 if qos == 0 else 1 if qos == 1 else 2
