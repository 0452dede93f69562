"""Tripwires: every upstream method that the embedded broker overrides is the one that it was written against."""

from __future__ import annotations

import hashlib
import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from types import FunctionType

import pytest
from amqtt.broker import Broker
from amqtt.mqtt.protocol.broker_handler import BrokerProtocolHandler

import twinstorm.broker
from twinstorm.broker.amqtt_connection import RepairedHandler
from twinstorm.broker.amqtt_packets import AbortingWriter
from twinstorm.broker.amqtt_repairs import RepairedBroker

UPSTREAM: dict[str, str] = {
    "Broker.__init__": "5158ff3ca6493baf",
    "Broker._authenticate": "4d7db8cc6fe2c3f6",
    "Broker._broadcast_message": "78ad4edb7efb3b72",
    "Broker._client_connected": "432b724bc4fb7946",
    "Broker._client_message_loop": "916c4647c3389918",
    "Broker._del_all_subscriptions": "615579810f47d1e0",
    "Broker._handle_client_session": "8b1b52a03df9daf5",
    "Broker._initialize_client_session": "5dd89158bbe46266",
    "Broker._publish_retained_messages_for_subscription": "d6ad257821ba29ef",
    "Broker._topic_filtering": "9259ae5e1dd3e20d",
    "Broker.add_subscription": "07757b63113c395e",
    "BrokerProtocolHandler.__init__": "95a1c78fecfdbffa",
    "BrokerProtocolHandler.handle_disconnect": "63b454d06eab58f8",
    "BrokerProtocolHandler.handle_read_timeout": "ffd79f12457f41e1",
    "BrokerProtocolHandler.start": "f7637c34a27f905e",
    "BrokerProtocolHandler.wait_disconnect": "ea4857d4707ef8d9",
    "ProtocolHandler._reader_loop": "93f3b8e4483040d0",
    "ProtocolHandler._retry_deliveries": "16fd2ca86991aba9",
    "StreamReaderAdapter.__init__": "2594a16cfbf64a25",
    "StreamWriterAdapter.__init__": "9612036ac78e5ab2",
    "StreamWriterAdapter.close": "9f228a1f968d964e",
    "StreamWriterAdapter.drain": "324dcf80ce0bce31",
    "StreamWriterAdapter.write": "a204e5a548e08184",
}
"""Of each upstream method that is overridden here, where upstream defines it: the start of its source's SHA-256."""

BYPASSED = (
    (Broker, "_initialize_client_session"),
    (Broker, "_handle_client_session"),
)
"""Called by stock methods that are overridden, and by nothing else; what replaces them was written from them."""


def overridden() -> Iterator[tuple[type, str]]:
    """Class and name of each upstream method that a class of twinstorm's broker overrides, found by looking."""
    for module in pkgutil.iter_modules(twinstorm.broker.__path__, "twinstorm.broker."):
        for mine in vars(importlib.import_module(module.name)).values():
            if not inspect.isclass(mine) or mine.__module__ != module.name:
                continue
            stock = [base for base in mine.__mro__ if base.__module__.startswith("amqtt.")]
            for name, value in vars(mine).items():
                owner = next((base for base in stock if isinstance(vars(base).get(name), FunctionType)), None)
                if owner is not None and isinstance(value, FunctionType):
                    yield owner, name


FOUND = tuple(dict.fromkeys((*overridden(), *BYPASSED)))


def called(owner: type, name: str) -> str:
    return f"{owner.__name__}.{name}"


def hash_of(owner: type, name: str) -> str:
    return hashlib.sha256(inspect.getsource(vars(owner)[name]).encode()).hexdigest()[:16]


@pytest.mark.parametrize(("owner", "name"), FOUND, ids=lambda part: getattr(part, "__name__", part))
def test_an_upstream_method_is_the_one_that_its_repair_was_written_against(owner: type, name: str) -> None:
    known = UPSTREAM.get(called(owner, name))
    assert known is not None, f"{called(owner, name)} is overridden: read it, then note {hash_of(owner, name)!r}"
    assert known == hash_of(owner, name), f"amqtt changed {called(owner, name)}: read the new source, then repair"


def test_no_hash_is_kept_of_a_method_that_nobody_overrides() -> None:
    assert UPSTREAM.keys() == {called(*one) for one in FOUND}


def test_overrides_are_found_by_looking() -> None:
    found = set(overridden())
    assert (Broker, "add_subscription") in found
    assert (BrokerProtocolHandler, "start") in found
    assert {RepairedBroker, RepairedHandler, AbortingWriter}.isdisjoint(owner for owner, _ in found)


@pytest.mark.parametrize(("owner", "name"), BYPASSED, ids=lambda part: getattr(part, "__name__", part))
def test_a_method_that_is_bypassed_is_called_by_overridden_ones_only(owner: type, name: str) -> None:
    callers = {
        other
        for other, method in vars(owner).items()
        if isinstance(method, FunctionType) and other != name and f"self.{name}(" in inspect.getsource(method)
    }
    assert callers
    assert all((owner, caller) in FOUND for caller in callers)
