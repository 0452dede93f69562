"""The wire: the embedded broker beside amqtt as shipped, the fleet process against Mosquitto beside locust with paho.

Peers run in turn with what they are compared with, and a ratio is the median of the pairs: the clock of a processor
moves within seconds, and both sides of a pair meet the same.
"""

from __future__ import annotations

import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from benchmarks.harness import Result, at_least, at_most
from benchmarks.wire_brokers import MissingPeer, mosquitto, stock_amqtt
from benchmarks.wire_fleet import FleetProcess, Order, plan_of, registry_of
from benchmarks.wire_locust import messages_per_s
from twinstorm.broker.calibration import Effort, Target, messages, waits_ms
from twinstorm.broker.cloud_end import LiveCloudEnd
from twinstorm.broker.embedded_process import EmbeddedProcess
from twinstorm.broker.pauses import spare_pauses
from twinstorm.broker.raw_client import RawClient
from twinstorm.broker.run_certificates import RunCertificates
from twinstorm.broker.sockets import LOOPBACK
from twinstorm.detectors.core import Core
from twinstorm.scenarios.engine.run import Run, RunOptions
from twinstorm.scenarios.language.reader import load
from twinstorm.twin.fleet import grow

FILTERS = 5_000
_Pair = tuple[float, float, float]
LOOK_S = 0.005
"""Between two looks of the core at what came."""
STORM = """storm: 1
name: bench-storm
story: Every twin loses power for a moment and comes back, on the embedded broker, over real sockets.
duration: {duration} s
fleet:
  devices: {devices}
  sites: 5
  boot: 1 s .. 3 s
  reconnect: {{backoff: exponential, base: 500 ms, cap: 10 s, jitter: full, timeout: 10 s}}
  buffer: {{readings: 100, evict: oldest}}
  segments:
    motors: {{kind: motor, share: 100 %, every: 2 s, link: ethernet}}
objectives:
  connected: {{sli: connectivity, at_least: 10 %}}
steps:
  - {{name: outage, at: 10 s, fault: power-outage, target: all, lasts: 3 s}}
expect:
  - {{recovered: 100 %, of: outage, within: 30 s}}
"""


def bench(pieces: Sequence[str] = (), quick: bool = False) -> Iterator[Result]:
    """All pieces take about four minutes, with `quick` one, whose figures are rough."""
    for name in pieces or PIECES:
        try:
            yield from PIECES[name](quick)
        except MissingPeer as missing:
            yield Result(name=f"{name}: skipped, {missing}", value=0.0, unit="")


# --- the embedded broker ----------------------------------------------------------------------------------------------


def broker(quick: bool) -> Iterator[Result]:
    """Messages through it beside amqtt as shipped, one filter."""
    with stock_amqtt() as stock, EmbeddedProcess() as ours:
        for qos in (0, 1):
            pair = _paired(_through(ours.target, qos, quick), _through(stock, qos, quick), quick)
            yield _beside(f"embedded broker, QoS {qos}", pair, "amqtt as shipped", 1.2)


def filters(quick: bool) -> Iterator[Result]:
    """The same with many filters of others."""
    with ExitStack() as stack:
        few, many = stack.enter_context(EmbeddedProcess()), stack.enter_context(EmbeddedProcess())
        _subscribe(stack, many.target)
        for qos in (0, 1):
            pair = _paired(_through(many.target, qos, quick), _through(few.target, qos, quick), quick, rounds=5)
            yield _beside(f"embedded broker, QoS {qos}, {FILTERS:,} filters", pair, "the same with one filter", 0.9)
        with stock_amqtt() as stock:
            _subscribe(stack, stock)
            yield _row(f"amqtt as shipped, QoS 1, {FILTERS:,} filters", _through(stock, 1, quick)(), "1/s")


def steady(quick: bool) -> Iterator[Result]:
    """2,000 messages a second at QoS 1 from 500 connections."""
    with ExitStack() as stack:
        target = stack.enter_context(EmbeddedProcess()).target
        subscriber = _joined(stack, target, "all")
        subscriber.subscribe("steady/#", 1)
        clients = [_joined(stack, target, f"steady-{number}") for number in range(500)]
        never = threading.Event()
        waits_ms(subscriber, clients, "steady/a", 2_000, 1_000, 256, never)
        taken = waits_ms(subscriber, clients, "steady/a", 2_000, 4_000 if quick else 20_000, 256, never)
    p50, p99 = np.percentile(taken, [50, 99]).tolist()
    what = "embedded broker, 2,000/s QoS 1, 500 connections"
    yield _row(f"{what}: p50", p50, "ms", digits=2)
    yield _row(f"{what}: p99", p99, "ms", at_most(20, p99), digits=2)


def storm(quick: bool) -> Iterator[Result]:
    """Every twin of a fleet loses power at once and comes back."""
    devices = 200 if quick else 1_000
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bench-storm.storm.yaml"
        path.write_text(STORM.format(devices=devices, duration=85 if quick else 110), encoding="utf-8")
        result = Run(load(str(path)), RunOptions(live=True, speed=1.0)).execute()
    took, lost = result.faults[0].recovered_s, sum(result.ledger.lost.values())
    held = "all within 30 s", result.expectations[0].verdict == "held"
    what = f"storm of {devices:,} twins"
    yield _row(f"{what} on the embedded broker: all back", -1.0 if took is None else took, "s", held, digits=1)
    yield _row(f"{what}: readings lost", lost, "", at_most(0, lost))


# --- the fleet --------------------------------------------------------------------------------------------------------


def fleet(quick: bool) -> Iterator[Result]:
    """Connects and documents of the fleet process, against Mosquitto."""
    plain, secret = (900, 200) if quick else (7_000, 2_000)
    names = list(grow(plan_of(secret, 1, "t")).names)
    with ExitStack() as stack:
        papers = RunCertificates(names, datetime.now(UTC))
        stack.callback(papers.close)
        port, tls_port = stack.enter_context(mosquitto(papers))
        one = stack.enter_context(FleetProcess(Order(LOOPBACK, port, plain, 1)))
        rate = one.connect()
        other = stack.enter_context(FleetProcess(Order(LOOPBACK, tls_port, secret, 1, papers.devices, prefix="t")))
        first_rate = other.connect()
        other.hang_up()
        tls_rate = other.connect()
        time.sleep(1.0)
        held = one.online() + other.online()
        for name, value, unit, bound in (
            ("connects, plain", rate, "1/s", 5_000),
            ("connects, TLS with certificates both ways", tls_rate, "1/s", 500),
            ("the same for the first time, keys and certificates read", first_rate, "1/s", None),
            (f"held at once, {secret:,} of them over TLS", held, "twins", plain + secret),
        ):
            yield _row(f"fleet: {name}", value, unit, None if bound is None else at_least(bound, value))


def documents(quick: bool) -> Iterator[Result]:
    """Telemetry documents a second, beside locust with paho."""
    lasts_s = 1.5 if quick else 3.0
    with mosquitto() as (port, _):
        for qos, wanted in ((0, 2.3), (1, 3.0)):
            with FleetProcess(Order(LOOPBACK, port, 500, qos)) as ours:
                ours.connect()
                ours.publish(0.5)
                try:
                    pair = _paired(
                        lambda ours=ours: ours.publish(lasts_s),  # type: ignore[misc]
                        lambda qos=qos: messages_per_s(port, qos, lasts_s),  # type: ignore[misc]
                        quick,
                    )
                except MissingPeer as missing:
                    value = statistics.median(ours.publish(lasts_s) for _ in range(3))
                    yield _row(f"fleet: documents, QoS {qos}; {missing}", value, "1/s")
                    continue
            yield _beside(f"fleet: documents, QoS {qos}", pair, "locust with paho", wanted)


def processed(quick: bool) -> Iterator[Result]:
    """From publish to processed: JSON at QoS 1 through Mosquitto."""
    lasts_s = 3.0 if quick else 10.0
    for per_s, required_ms in ((10_000, 50.0), (20_000, None)):
        yield from _processed(f"JSON at {per_s:,}/s", Order("", 0, 1_000, 1), per_s, 1, lasts_s, required_ms)


def columns(quick: bool) -> Iterator[Result]:
    """The same for gateways that gather: 200 readings a message."""
    gateways, rows = 500, 200
    order = Order("", 0, gateways * rows, 1, gateways=gateways)
    yield from _processed(f"columns of {rows} readings", order, 1_000_000, rows, 3.0 if quick else 10.0, 100.0)


def _processed(
    what: str, order: Order, per_s: int, in_one: int, lasts_s: float, required_ms: float | None
) -> Iterator[Result]:
    """
    Args:
        per_s: readings a second. in_one: of them in a message.
        required_ms: of p99; None: nothing is asked, and nothing of the rate.
    """
    registry = registry_of(order.devices, order.qos, order.gateways)
    late: list[np.ndarray] = []
    with mosquitto() as (port, _), FleetProcess(replace(order, host=LOOPBACK, port=port)) as ours:
        cloud = LiveCloudEnd(host=LOOPBACK, port=port, username=None, password=None, registry=registry, now_us=_now_us)
        core = Core(registry, (), {}, 0)
        cloud.start()
        try:
            ours.connect()
            spare_pauses()  # as a live run does
            took = _Background(lambda: ours.pace(per_s / in_one, lasts_s))
            idle_since = time.monotonic()
            busy_s = -time.thread_time()
            while took.is_alive() or time.monotonic() - idle_since < 0.5:
                outcome = cloud.poll(_now_us())
                for delivery in outcome.deliveries:
                    core.ingest(delivery)
                    readings = delivery.readings
                    if readings is not None and len(readings):
                        late.append((_now_us() - readings.device_time_us) / 1_000)
                        idle_since = time.monotonic()
                time.sleep(LOOK_S)
            busy_s += time.thread_time()
            sent, behind_s = took.result()
        finally:
            cloud.close()
    delays = np.concatenate(late)
    p50, p99 = np.percentile(delays[per_s // 2 :], [50, 99]).tolist()
    rate = in_one * sent / (lasts_s + behind_s)
    lost = in_one * sent - core.accepted
    for name, value, unit, kept in (
        ("readings a second", rate, "1/s", None if required_ms is None else at_least(0.99 * per_s, rate)),
        ("readings lost", lost, "", at_most(0, lost)),
        ("p50", p50, "ms", None),
        ("p99", p99, "ms", None if required_ms is None else at_most(required_ms, p99)),
        ("decoding and taking in", 100 * busy_s / (lasts_s + behind_s), "% of a core", None),
    ):
        yield _row(f"publish to processed, {what}, QoS 1 through Mosquitto: {name}", value, unit, kept, digits=2)


PIECES: dict[str, Callable[[bool], Iterator[Result]]] = {
    "broker": broker,
    "filters": filters,
    "steady": steady,
    "storm": storm,
    "fleet": fleet,
    "documents": documents,
    "processed": processed,
    "columns": columns,
}


# --- helpers ----------------------------------------------------------------------------------------------------------


def _now_us() -> int:
    return int(time.monotonic() * 1e6)


def _row(name: str, value: float, unit: str, kept: tuple[str, bool] | None = None, digits: int = 0) -> Result:
    """A figure without a peer; `kept`: its bound, and whether it keeps it."""
    required, met = ("", None) if kept is None else kept
    return Result(name=name, value=round(value, digits), unit=unit, required=required, met=met)


def _beside(name: str, pair: _Pair, peer: str, wanted: float) -> Result:
    """A rate that is to be so many times the peer's."""
    value, peer_value, ratio = pair
    required, met = at_least(wanted, ratio)
    return Result(
        name=name,
        value=round(value),
        unit="1/s",
        peer=peer,
        peer_value=round(peer_value),
        ratio=round(ratio, 2),
        required=f"{required}x",
        met=met,
    )


def _paired(ours: Callable[[], float], peer: Callable[[], float], quick: bool, rounds: int = 3) -> _Pair:
    """Medians of both, and of the ratio within a pair."""
    pairs = [(ours(), peer()) for _ in range(1 if quick else rounds)]
    return (
        statistics.median(one for one, _ in pairs),
        statistics.median(other for _, other in pairs),
        statistics.median(one / other for one, other in pairs),
    )


def _through(target: Target, qos: int, quick: bool) -> Callable[[], float]:
    effort = Effort(samples=1, sample_s=0.3 if quick else 0.5)
    return lambda: messages(target, qos, effort, threading.Event()).median


def _joined(stack: ExitStack, target: Target, name: str) -> RawClient:
    client = target.client(name)
    stack.callback(client.close)
    return client


def _subscribe(stack: ExitStack, target: Target) -> None:
    """Somebody has many filters, none of which anything matches."""
    client = _joined(stack, target, "filters")
    client.socket.settimeout(60.0)
    for number in range(FILTERS):
        client.subscribe(f"elsewhere/{number}/command", 1)


class _Background:
    """A call on a thread of its own."""

    def __init__(self, call: Callable[[], tuple[int, float]]) -> None:
        self._found: list[tuple[int, float]] = []
        self._thread = threading.Thread(target=lambda: self._found.append(call()), daemon=True)
        self._thread.start()

    def is_alive(self) -> bool:
        return self._thread.is_alive()

    def result(self) -> tuple[int, float]:
        self._thread.join()
        return self._found[0]
