"""Names that a scenario may use, each with a line of what it means; whoever explains or completes names asks here.

Names of what is installed come from entry points. Faults are light and are loaded for their settings; machines and
brokers never are, and a detector only if a scenario changes its settings.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Protocol

from twinstorm.scenarios.faults import base
from twinstorm.scenarios.faults.base import Fault
from twinstorm.scenarios.language import values
from twinstorm.scenarios.language.slis import SLIS as SLIS
from twinstorm.scenarios.language.slis import Sli as Sli
from twinstorm.scenarios.language.units import Kind
from twinstorm.twin import plugins
from twinstorm.twin.machines import installed
from twinstorm.twin.plugins import PluginError, Plugins


@dataclass(frozen=True)
class Counter:
    """Something counted over the whole fleet or what a selector names.

    Attributes:
        is_level: it says how many there are now; else how many there were since the start of the run.
        kind: of its value in expressions.
    """

    name: str
    summary: str
    is_level: bool = False
    kind: Kind = Kind.COUNT


COUNTERS: Mapping[str, Counter] = {
    counter.name: counter
    for counter in (
        Counter("devices", "devices of the fleet", is_level=True),
        Counter("online", "devices with a live session, as the core knows it", is_level=True),
        Counter("offline", "devices that have been silent for longer than allowed", is_level=True),
        Counter("queue", "messages waiting in the broker", is_level=True),
        Counter("lag", "readings that wait to be processed, as `processing` says", is_level=True),
        Counter("consumers", "consumers of the pool that processes them, or functions at work", is_level=True),
        Counter("shed", "readings that found no room to wait"),
        Counter("buffered", "readings waiting in the devices", is_level=True),
        Counter("attempts", "connects that reached the broker"),
        Counter("admitted", "connects that it accepted"),
        Counter("refused", "connects that it refused"),
        Counter("alarms", "alarms raised"),
        Counter("pages", "alarms that call somebody"),
        Counter("incidents", "incidents opened"),
        Counter("reboots", "boots that nobody had planned"),
        Counter("misdated", "readings whose time stamp cannot be right: from the future, or older than the fleet"),
        Counter("produced", "readings that devices made"),
        Counter("delivered", "readings that the core accepted, each once"),
        Counter("lost", "readings that will not arrive, of all causes"),
        Counter("repeated", "readings that came to the core again"),
        Counter("dead_letters", "readings and messages that the core refused"),
        Counter("dead_sensors", "channels that devices have left out for too long while they speak", is_level=True),
        Counter("dead_links", "devices that have said nothing for too long, once they had spoken", is_level=True),
        Counter("breakdowns", "machines that stopped before anybody renewed them"),
        Counter("repairs", "repairs that crews have ended"),
        Counter("spares", "parts that crews have taken"),
        Counter("downtime", "time that machines stood still, all together", kind=Kind.DURATION),
        Counter("cost", "of downtime, repairs and parts, as `maintenance` says"),
    )
}

FUNCTIONS: Mapping[str, str] = {
    "min": "min(a, b): the smaller of two",
    "max": "max(a, b): the larger of two",
    "abs": "abs(a): without its sign",
    "avg": "avg(a, 5 min): mean of a over the last 5 min, one value a second",
    "rate": "rate(a, 1 min): change of a over the last minute, per second",
    "baseline": "baseline(a, 1 h): median of a over the hour before now: what is usual",
    "share": "share[SELECTOR]: share of the fleet's devices that it names",
    "count": "count[SELECTOR]: number of devices that it names",
    "window": "window(NAME)[SELECTOR]: newest figure of `windows`, the greatest of its keys, or window(NAME, least)",
    "difference": "difference(NAME)[SELECTOR]: left less right of `joins`, the mean of a minute; or (NAME, least)",
    "pairs": "pairs(NAME): readings of `joins` that belonged together, since the start",
    "correlation": "correlation(NAME)[SELECTOR]: of `correlations`, -1 to 1; or (NAME, least)",
    "routed": "routed(NAME): readings that a rule of `routes` has taken, since the start",
}

COUNTS: Mapping[str, str] = {
    "pages": "alarms that call somebody",
    "alarms": "alarms raised, pages and tickets",
    "incidents": "incidents opened",
    "reboots": "boots that nobody had planned",
    "refused": "connects that the broker refused",
    "misdated": "readings whose time stamp cannot be right: from the future, or older than the fleet",
    "breakdowns": "machines that stopped before anybody renewed them",
    "repairs": "repairs that crews ended",
    "spares": "parts that crews took",
    "cost": "of downtime, repairs and parts",
    "bricked": "devices that nothing short of a visit brings back; nothing in this version can do that to one",
}
"""What `count` may bound."""

OF_MAINTENANCE = ("breakdowns", "repairs", "spares", "downtime", "cost")
"""Counters and counts that only a scenario with `maintenance` has."""

OF_PROCESSING = ("lag", "consumers", "shed")
"""Counters that only a scenario with `processing` has."""

OF_CONTINUITY = ("dead_sensors", "dead_links")
"""Counters that only a scenario with `continuity` has, and that a selector may narrow."""

LEDGER: Mapping[str, str] = {
    "lost": "readings lost, of all causes",
    "delivered": "readings accepted by the core, each once",
    "buffered": "readings still waiting in devices when the run ends",
}
"""What `ledger` may bound; a share is of the readings produced."""

LINKS: Mapping[str, str] = {
    "ethernet": "2 to 4 ms each way, no loss",
    "wifi": "3 to 7 ms each way; one message in a hundred is sent again, 200 ms later",
    "lte-m": "assumed: 50 to 100 ms each way, 375 kbit/s; one message in fifty 400 ms later",
    "nb-iot": "assumed: 0.7 to 2.3 s each way, 20 kbit/s; one message in twenty 4 s later",
    "lorawan": "assumed: time on air at SF9, 1 % of the time at most, then 80 to 200 ms; one message in 20 2 s later",
    "satellite": "assumed: geostationary, 285 to 315 ms each way, 64 kbit/s; 3 messages in a hundred 1.2 s later",
    "ble": "assumed: 30 to 100 ms to and through a gateway, 200 kbit/s; one message in fifty 100 ms later",
    "zigbee": "assumed: 15 to 60 ms over some hops of a mesh, 60 kbit/s; 3 messages in a hundred 60 ms later",
    "datagram": "assumed: 20 to 60 ms each way, 1 Mbit/s; one reading in a hundred is lost, none is acknowledged",
    "weak-wifi": "assumed: 5 to 25 ms each way; 5 % of transmissions lost, in bursts of half a second",
    "cellular": "assumed: 35 to 65 ms each way, 5 Mbit/s; 2 % of transmissions lost, in bursts of a second",
    "congested": "assumed: 40 to 120 ms each way, 1 Mbit/s; 3 % of transmissions lost, in bursts of 60 ms",
    "lorawan-sf7": "assumed: time on air at SF7, 1 % of the time at most, 222 bytes; 5 % of frames lost, two in a row",
    "lorawan-sf8": "assumed: as lorawan-sf7, at SF8",
    "lorawan-sf9": "assumed: as lorawan-sf7, at SF9 and 115 bytes",
    "lorawan-sf10": "assumed: as lorawan-sf7, at SF10 and 51 bytes",
    "lorawan-sf11": "assumed: as lorawan-sf7, at SF11 and 51 bytes",
    "lorawan-sf12": "assumed: as lorawan-sf7, at SF12 and 51 bytes: two seconds a frame, and three minutes of silence",
}
FAST_LINKS = ("ethernet", "wifi")
"""Links on which a message takes no time of the transmitter."""

BROKER_MODELS: Mapping[str, str] = {
    "amqtt": "the embedded broker: 930 connects a second",
    "mosquitto": "Mosquitto 2.0.11: 27,000 connects a second",
    "amqtt-tls": "the embedded broker with certificates both ways: 430 connects a second",
    "mosquitto-tls": "Mosquitto 2.0.11 with certificates both ways: 590 connects a second",
    "ideal": "no limit of its own: what remains is the scenario's",
}

SEVERITIES = ("page", "ticket")

KINDS: Mapping[str, str] = {
    "air-quality": "outdoor air: fine dust, carbon dioxide, nitrogen dioxide, temperature, humidity",
    "building": "occupancy, room climate and the energy of heating and cooling",
    "camera": "quality camera: a picture when a part passes, its defect score, latency, focus, exposure",
    "chiller": "refrigeration machine: water temperature, pressures, superheat, power, starts",
    "controller": "controller of a production cell: state, parts, scrap, queue, blocked and stopped stations",
    "environment": "battery-powered sensor: temperature, humidity, pressure, battery",
    "gateway": "edge gateway: processor, memory, disk, queue, round trip",
    "inverter": "solar inverter: direct and alternating current, temperature, power limit in force",
    "irrigation": "soil moisture, valve, flow and pressure; it decides by itself when to water",
    "meter": "electricity meter: voltage, current, power, energy, frequency",
    "motor": "electric motor with a bearing: temperature, vibration in three axes, current, speed",
    "pump": "centrifugal pump: flow, pressures, power, temperatures, vibration",
    "shelf": "cooled shelf of a shop: stock, door, temperature",
    "vehicle": "tracker on a vehicle: position, speed, heading, satellites, geofence",
    "wearable": "patient monitor: heart rate and its variability, oxygen, skin temperature, breathing",
}
"""Lines for the kinds that come with twinstorm; `kinds` tells which are installed."""

EVERY: Mapping[str, str] = {
    "air-quality": "1 min",
    "building": "1 min",
    "camera": "5 min",
    "chiller": "10 s",
    "controller": "30 s",
    "environment": "30 s",
    "gateway": "10 s",
    "inverter": "1 min",
    "irrigation": "5 min",
    "meter": "1 min",
    "motor": "1 s",
    "pump": "1 s",
    "shelf": "1 min",
    "vehicle": "1 min",
    "wearable": "10 s",
}
"""Their own periods: as the kinds have them, told here so that reading a scenario need not load them."""

ALARMS: Mapping[str, str] = {
    "config-drift": "devices whose configuration is not the one that their segment says",
    "silence": "devices that nothing was heard of for longer than their period allows",
    "connect-storm": "far more connects than usual",
    "expiring-certificates": "devices whose certificate ends soon, where a segment says when",
    "reboot-storm": "many devices booted in the same minute and want a session",
}
"""Lines for the alarms that come with twinstorm; `alarms` tells which are installed."""


PATTERNS = "twinstorm.event_detectors"
"""Group of the detector that a scenario makes by naming a pattern of events; its one name is `pattern`."""
MODELS = "twinstorm.model_detectors"
"""Group of the detector that a scenario makes by naming a stored model; its names are `model` and `condition`."""


def faults() -> Plugins[type[Fault]]:
    """Every installed fault with its settings, by name."""
    return base.catalogue()


def kinds() -> Plugins[Any]:
    """Kinds of machine that are installed (`twinstorm.twin.machines.kind.MachineKind`), by name. A look at one loads
    what it computes with."""
    return installed.catalogue()


def every_us(kind: str) -> int:
    """Period of a kind of machine, where a scenario does not write one. Loads a stranger's."""
    if kind in EVERY:
        return values.duration(EVERY[kind])
    return next((int(one.every_us) for one in machines([kind])), values.duration("10 s"))


def machines(names: Sequence[str]) -> Sequence[Any]:
    """Those of these kinds that can be used; loads them."""
    tried = [kinds().tried_one(name) for name in names]
    return [kind for kind in tried if not isinstance(kind, PluginError)]


@cache
def _detectors(word: str) -> Plugins[Any]:
    return plugins.detectors(word)


def alarms() -> tuple[str, ...]:
    """Detectors that look where a scenario names none, sorted; each raises the alarm of its name."""
    return tuple(_detectors("detector"))


def requested_detectors() -> tuple[str, ...]:
    """Detectors on the conduct of devices, which look only where a scenario names them, sorted."""
    return tuple(_detectors("detector on conduct"))


def value_detectors() -> tuple[str, ...]:
    """Installed detectors on values, sorted."""
    return tuple(_detectors("detector on values"))


class Option(Protocol):
    """A setting of a fault or of a detector; see `twinstorm.scenarios.faults.base.Setting`."""

    @property
    def name(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def default(self) -> str: ...
    @property
    def summary(self) -> str: ...
    @property
    def choices(self) -> tuple[str, ...]: ...
    @property
    def least(self) -> str: ...
    @property
    def most(self) -> str: ...


def detectors() -> tuple[str, ...]:
    """All that a scenario may name: those that look by default, those on conduct, those on values; each sorted."""
    return tuple(dict.fromkeys((*alarms(), *requested_detectors(), *value_detectors())))


def looks_at_values(detector: str) -> bool:
    """Whether this is one on values, which has devices and channels of its own."""
    return detector in value_detectors() and detector not in (*alarms(), *requested_detectors())


def detectors_like(name: str) -> Plugins[Any]:
    """Installed detectors of the sort of an installed one; a look at one loads it, and with it whatever it computes
    with."""
    if looks_at_values(name):
        return _detectors("detector on values")
    return _detectors("detector" if name in alarms() else "detector on conduct")


def detector_flaw(name: str) -> PluginError | None:
    """Why an installed detector cannot be used. Loads a stranger's and those on values; ours are fit for use."""
    like = detectors_like(name)
    found = like.tried_one(name) if like.is_foreign(name) or looks_at_values(name) else None
    return found if isinstance(found, PluginError) else None


def detector_options(name: str) -> Sequence[Option]:
    """Settings of an installed detector. Loads it. Raises PluginError if it cannot be used, as the next ones do."""
    detector = detectors_like(name)[name]
    options: Sequence[Option] = detector.fleet_options() if looks_at_values(name) else detector.options
    return options


def detector_missing(name: str) -> str:
    """The command that installs what a detector on values needs and is not there; empty: nothing is missing. Loads
    it."""
    return str(_detectors("detector on values")[name].missing())


def detector_contradiction(name: str, settings: Mapping[str, Any]) -> str:
    """Why settings of a detector on values do not go together; empty: they do. Loads it."""
    return str(_detectors("detector on values")[name].contradiction(settings))


def pattern_options() -> Sequence[Option]:
    """Settings of a pattern of events. Loads what it computes with."""
    options: Sequence[Option] = _installed(PATTERNS)["pattern"].load().options
    return options


def model_options(*, conditions: bool = False) -> Sequence[Option]:
    """Settings of a stored model as a detector, of what is strange or of conditions. Loads what it computes with."""
    options: Sequence[Option] = _installed(MODELS)["condition" if conditions else "model"].load().options
    return options


@cache
def _installed(group: str) -> Mapping[str, EntryPoint]:
    found = {point.name: point for point in entry_points(group=group)}
    return dict(sorted(found.items()))
