"""Everything that stock amqtt gets wrong, on stock amqtt and on the embedded broker.

Each case must fail on the one, so that a repair of upstream's is noticed and ours can go, and hold on the other.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

from tests.live.brokers import Repaired, Stock
from tests.live.defects import CASES, OWN, Case, DefectError, Stand
from tests.live.raw_mqtt import DISCONNECT, SUBSCRIBE, RawClient, packet, publish, text
from twinstorm.broker.embedded import EmbeddedBroker
from twinstorm.broker.run_certificates import RunCertificates
from twinstorm.broker.tls import client_context, server_context

PATIENT_S = 5.0
"""For what is to come."""
IMPATIENT_S = 0.6
"""For what is known not to come."""
AT_ONCE = 8
"""Most of the time a case waits."""

MINE, OTHER = "fra-1/motors-0001", "fra-1/motors-0002"

ANONYMOUS = {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}}
"""Which of its plug-ins has the defect."""

QUICK = [one for one in CASES.values() if not one.is_slow]
SLOW = [one for one in CASES.values() if one.is_slow]


def played_on_stock(one: Case) -> str:
    """Empty if it is right, else what it did wrong."""
    return _played(one, Stock(ANONYMOUS if one.name == "nameless-queue" else None), IMPATIENT_S)


def played_on_ours(one: Case) -> str:
    return _played(one, Repaired(), PATIENT_S)


def _played(one: Case, broker: Stock | Repaired, patience_s: float) -> str:
    stand = Stand(broker, patience_s)
    try:
        one.play(stand)
    except DefectError as error:
        return str(error)
    finally:
        stand.close()
        broker.close()
    return ""


Played = dict[str, Callable[[], str]]


def _play_all(play: Callable[[Case], str], cases: list[Case]) -> Iterator[Played]:
    """Side by side; what each says, or raises, is asked for by its test."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield {one.name: pool.submit(play, one).result for one in cases}


@pytest.fixture(scope="module")
def ours() -> Iterator[Played]:
    yield from _play_all(played_on_ours, QUICK)


@pytest.fixture(scope="module")
def stock(ours: Played) -> Iterator[Played]:
    for said in ours.values():
        said()  # one after the other: what is known not to come is not waited for on a busy machine
    yield from _play_all(played_on_stock, [one for one in QUICK if one.is_defect_here])


@pytest.mark.parametrize("name", [one.name for one in QUICK])
def test_the_embedded_broker_is_right(ours: Played, name: str) -> None:
    assert ours[name]() == ""


@pytest.mark.parametrize("name", [one.name for one in QUICK if one.is_defect_here])
def test_stock_amqtt_is_still_wrong(stock: Played, name: str) -> None:
    assert stock[name](), "repaired upstream: is ours still needed?"


@pytest.mark.nightly
@pytest.mark.parametrize("one", SLOW, ids=lambda one: one.name)
def test_the_embedded_broker_is_right_when_it_takes_longer(one: Case) -> None:
    assert played_on_ours(one) == ""


@pytest.mark.nightly
@pytest.mark.parametrize("one", SLOW, ids=lambda one: one.name)
def test_stock_amqtt_is_still_wrong_when_it_takes_longer(one: Case) -> None:
    assert played_on_stock(one)


# --- what is measured -------------------------------------------------------------------------------------------------

FILTERS, PACKETS = 5_000, 10
MESSAGES, ROUNDS = 60, 3


def _round_s(broker: Stock | Repaired, watcher: RawClient, one: RawClient) -> float:
    """Processor time of the broker alone, whatever else the machine does."""

    async def used_s() -> float:
        return time.thread_time()

    loop = broker._loop if isinstance(broker, Stock) else broker._own.loop
    began_s = asyncio.run_coroutine_threadsafe(used_s(), loop).result(PATIENT_S)
    one.send(publish(OWN, b"x") * MESSAGES)
    for _ in range(MESSAGES):
        watcher.message()
    return asyncio.run_coroutine_threadsafe(used_s(), loop).result(PATIENT_S) - began_s


def slower_by_filters(broker: Stock | Repaired) -> float:
    """How many times as long a message takes while somebody else has subscribed to many filters."""
    stand = Stand(broker, 20.0)
    try:
        watcher, one, other = stand.watcher(OWN), stand.enter(), stand.enter("two")
        before_s = min(_round_s(broker, watcher, one) for _ in range(ROUNDS))
        each = FILTERS // PACKETS
        for part in range(PACKETS):
            filters = (text(f"all/{number}") + b"\x00" for number in range(part * each, (part + 1) * each))
            other.send(packet(SUBSCRIBE, b"\x00\x01" + b"".join(filters)))
            other.read()
        return min(_round_s(broker, watcher, one) for _ in range(ROUNDS)) / before_s
    finally:
        stand.close()
        broker.close()


def test_a_message_costs_the_same_whatever_others_have_subscribed_to() -> None:
    assert slower_by_filters(Repaired()) < 3.0


def test_a_message_still_costs_stock_amqtt_a_look_at_every_filter() -> None:
    assert slower_by_filters(Stock()) > 3.0


# --- rights -----------------------------------------------------------------------------------------------------------


def _granted(broker: Stock | Repaired, asked: str) -> int:
    stand = Stand(broker, PATIENT_S)
    try:
        return stand.enter("one").subscribe(asked)
    finally:
        stand.close()
        broker.close()


@pytest.mark.filterwarnings("ignore:The 'acl' option:DeprecationWarning")
def test_stock_rights_to_one_level_are_still_rights_to_all_below_it() -> None:
    """Why the embedded broker has rules of its own: `tests/live/test_embedded_broker.py` asks it for `fleet/#`."""
    rights = {"amqtt.plugins.topic_checking.TopicAccessControlListPlugin": {"acl": {"one": ["dev/+"]}}}
    assert _granted(Stock({**ANONYMOUS, **rights}), "dev/#") == 1
    assert _granted(Stock({**ANONYMOUS, **rights}), "other/#") == 0x80


def _answer_to_a_stranger(port: int, papers: RunCertificates) -> int:
    """A device has a session; another one asks for it with a certificate of its own."""
    for name in (MINE, OTHER):
        client = RawClient(port, tls=client_context(papers.devices[name]))
        client.send_connect(MINE, None, None, clean=False)
        answer = client.connack()
        client.send(packet(DISCONNECT))
        client.close()
        assert name == OTHER or answer == 0
    return answer


def test_nobody_is_believed_for_the_certificate_of_the_session_that_he_asks_for() -> None:
    papers = RunCertificates([MINE, OTHER], datetime.now(UTC))
    broker = EmbeddedBroker([MINE, OTHER], now_us=lambda: 0, tls=papers.server)
    broker.open()
    try:
        assert _answer_to_a_stranger(broker.port, papers) == 5
    finally:
        broker.close()
        papers.close()


def test_stock_amqtt_still_believes_who_asks_for_a_session_by_the_certificate_of_its_owner() -> None:
    papers = RunCertificates([MINE, OTHER], datetime.now(UTC))
    broker = Stock({"tests.live.brokers.Papers": {}}, tls=server_context(papers.server))
    try:
        assert _answer_to_a_stranger(broker.port, papers) == 0
    finally:
        broker.close()
        papers.close()


@pytest.mark.nightly
def test_a_login_still_holds_stock_amqtt_up(tmp_path: Path) -> None:
    """Why passwords here are random and long, and need no slow hash."""
    passwords = tmp_path / "passwords"
    passwords.write_text(f"one:{PasswordHash((Argon2Hasher(),)).hash('first')}\n")
    stock = {"amqtt.plugins.authentication.FileAuthPlugin": {"password_file": str(passwords)}}
    assert _login_s(Stock(stock)) > 4 * _login_s(Repaired())


def _login_s(broker: Stock | Repaired) -> float:
    stand, took_s = Stand(broker, PATIENT_S), []
    try:
        for _ in range(5):
            began_s = time.monotonic()
            stand.enter()
            took_s.append(time.monotonic() - began_s)
        return min(took_s)
    finally:
        stand.close()
        broker.close()
