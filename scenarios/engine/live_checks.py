"""What a live run cannot do, found from the scenario and the options alone: before a folder, a process or a socket."""

from __future__ import annotations

from collections.abc import Iterator

from twinstorm.broker.url import BrokerUrl, parse_url
from twinstorm.scenarios.faults.base import Fault, catalogue
from twinstorm.scenarios.language.model import Scenario

MOST_DEVICES, MOST_ELSEWHERE = 2_000, 9_000
"""Clients of one process on a small machine: on the embedded broker, which carries 1,000 well, and on one that is not
ours (held at once on Mosquitto, measured)."""

ASK_ABOVE_DEVICES, ASK_ABOVE_CONNECTS_PER_S = 500, 200
"""More than this on a broker that is not ours needs `--yes`, also on this machine."""

MOST_CONNECTS_PER_S = 2_000
"""No live run asks for more than this in any second, whatever its scenario does and whoever said yes."""

SHORTEST_KEEP_ALIVE_S = 2.0


def problems(
    scenario: Scenario,
    *,
    live: bool,
    speed: float,
    broker_url: str | None,
    hold_open: bool,
    yes: bool,
    tls: bool = False,
    max_connects_per_s: int | None = None,
) -> list[str]:
    """All that is wrong with asking for this run, a sentence each; empty: it can be started.

    Args:
        live, speed, broker_url, hold_open, yes, tls, max_connects_per_s: as in `RunOptions`.
    """
    if not live:
        return [
            f"{option} needs --live: a virtual run has no socket"
            for option, asked in (
                ("--broker", broker_url),
                ("--hold-open", hold_open),
                ("--tls", tls),
                ("--max-connects-per-s", max_connects_per_s),
            )
            if asked
        ]
    found = [*_of_the_fleet(scenario, speed or 1.0, broker_url is None), *_of_the_cohort(scenario, broker_url)]
    found += _of_the_faults(
        scenario, own_broker=broker_url is None, certificates=tls, encrypted=tls or _is_secure(broker_url)
    )
    if broker_url is not None:
        found += _of_the_broker(broker_url, yes)
        found += [] if yes else _of_the_load(scenario, speed or 1.0, max_connects_per_s)
        if tls:
            found.append("--tls is about the embedded broker: leave --broker out, or leave --tls out")
    return found


def unfit(fault: type[Fault], *, own_broker: bool, certificates: bool, encrypted: bool) -> str:
    """Why this fault cannot happen in such a live run, and what could be done; empty: it can.

    Args:
        own_broker: the broker is the embedded one.
        certificates: devices have some that we may call back.
        encrypted: what devices say goes over TLS.
    """
    if "live" not in fault.clocks:
        return f"the fault {fault.name} runs in virtual time only: leave --live out"
    if fault.acts_on == "broker" and not own_broker:
        return (
            f"twinstorm cannot reach into a broker that is not its own, as {fault.name} must: "
            "leave --broker out for the embedded one"
        )
    if fault.needs_tls and not certificates:
        return f"{fault.name} is about certificates, which a live run has with --tls only"
    if fault.needs_plain and encrypted:
        return f"{fault.name} is about messages that somebody can overhear, and over TLS nobody can: connect without it"
    return ""


def _is_secure(url: str | None) -> bool:
    try:
        return url is not None and parse_url(url).secure
    except ValueError:
        return False  # told elsewhere


def _of_the_fleet(scenario: Scenario, speed: float, own_broker: bool) -> Iterator[str]:
    fleet = scenario.fleet
    devices = fleet.devices if fleet.cohort is None else fleet.cohort
    most = MOST_DEVICES if own_broker else MOST_ELSEWHERE
    if devices > most:
        more = f", or up to {MOST_ELSEWHERE:,} on a broker of your own with --broker" if own_broker else ""
        yield f"{devices:,} devices are more than one machine drives live (at most {most:,}): add --devices 200{more}"
    if speed <= 0:
        yield "a live run needs a speed above 0"
        return
    for segment in scenario.fleet.segments:
        if segment.through or not segment.keep_alive_us:
            continue  # no socket of its own, or no keep-alive
        keep_alive_s = segment.keep_alive_us / 1e6 / speed
        if keep_alive_s < SHORTEST_KEEP_ALIVE_S:
            yield (
                f"at {speed:g}x the keep-alive of segment {segment.name} lasts {keep_alive_s:.1f} s on the "
                f"wire; it must be {SHORTEST_KEEP_ALIVE_S:g} s or more: take a lower --speed"
            )


def _of_the_cohort(scenario: Scenario, url: str | None) -> Iterator[str]:
    if scenario.fleet.cohort is None:
        return
    if url is not None:
        yield (
            "fleet.cohort: a broker that is not ours asks no crowd at its door: leave --broker out for the embedded "
            "one, or the cohort"
        )
    if any(part.gateway is not None for part in scenario.fleet.segments):
        yield "fleet.cohort: a fleet with gateways is on the wire as a whole or not at all: leave the cohort out"
    if any(part.origin == "mirrored" for part in scenario.fleet.segments):
        yield "fleet.cohort: real devices cannot stand in a crowd: leave the cohort out, or `real` of the mirrors"


def _of_the_broker(url: str, yes: bool) -> Iterator[str]:
    try:
        target: BrokerUrl = parse_url(url)
    except ValueError as error:
        yield str(error)
        return
    if not target.is_loopback and not yes:
        yield f"{target.host} is not this machine: a storm against it needs --yes, and its owner's consent"


def _of_the_load(scenario: Scenario, speed: float, max_connects_per_s: int | None) -> Iterator[str]:
    """What a broker that is not ours is asked about first; a cohort is refused there anyway."""
    if scenario.fleet.cohort is not None:
        return
    clients = sum(segment.devices for segment in scenario.fleet.segments if not segment.through)
    if clients > ASK_ABOVE_DEVICES:
        yield (
            f"{clients:,} clients on a broker that others may use are more than {ASK_ABOVE_DEVICES:,}: this needs --yes"
        )
    per_s = most_connects_per_s(scenario, speed) if max_connects_per_s is None else max_connects_per_s
    if per_s > ASK_ABOVE_CONNECTS_PER_S:
        yield (
            f"up to {per_s:,.0f} connects a second on a broker that others may use are more than "
            f"{ASK_ABOVE_CONNECTS_PER_S:,}: this needs --yes, or --max-connects-per-s {ASK_ABOVE_CONNECTS_PER_S}"
        )


def connect_ceiling(*, broker_url: str | None, yes: bool, max_connects_per_s: int | None) -> int:
    """How many connects the fleet asks for in any second at most: what was said, else what was consented to."""
    if max_connects_per_s is not None:
        return min(max_connects_per_s, MOST_CONNECTS_PER_S)
    return MOST_CONNECTS_PER_S if broker_url is None or yes else ASK_ABOVE_CONNECTS_PER_S


def most_connects_per_s(scenario: Scenario, speed: float) -> float:
    """At worst, on the wall: all lose their connection at once, and return within the spread of their first wait."""
    total = 0.0
    for segment in scenario.fleet.segments:
        if not segment.through:
            policy = segment.reconnect
            spread_us = 0 if policy.jitter == "none" else policy.base_us
            total += segment.devices / max(spread_us / 1e6 / speed, 1.0)
    return total


def _of_the_faults(scenario: Scenario, *, own_broker: bool, certificates: bool, encrypted: bool) -> Iterator[str]:
    for step in scenario.steps:
        if step.action != "fault":
            continue
        fault = catalogue()[step.value]
        said = unfit(fault, own_broker=own_broker, certificates=certificates, encrypted=encrypted)
        if said:
            yield f"step {step.name}: {said}"
        elif fault.needs_proxy(step.settings) and step.target is not None and not step.target.is_fixed:
            yield (
                f"step {step.name}: live, {step.value} must know its devices before the run, and "
                f"`{step.target.text}` is read when it starts: target a part of the fleet that does not change"
            )
