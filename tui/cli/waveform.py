"""`twinstorm waveform`: what an accelerometer on a bearing would record, and what it means."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from twinstorm.tui.cli.command import UsageError, command
from twinstorm.tui.cli.options import SEED, SETTINGS, read_duration, read_share
from twinstorm.tui.cli.talk import Talk

if TYPE_CHECKING:
    from twinstorm.twin.flow import Channel
    from twinstorm.twin.health import MachineHealth
    from twinstorm.twin.physics.shaken import Shaken


@dataclass(frozen=True)
class _Heard:
    """One machine at an instant.

    Attributes:
        who, what: its name, and what fails in it. key: of its chance.
        told: newest values of its channels, by name.
    """

    who: str
    what: str
    key: int
    shaken: Shaken
    health: MachineHealth
    channels: tuple[Channel, ...]
    told: Mapping[str, float]


@command(
    click.Argument(["scenario"], required=False),
    click.Option(["--device"], metavar="ID", help="With a scenario: a motor, pump or chiller of it."),
    click.Option(["--at"], metavar="TIME", help="With a scenario: when, after its start; its end if absent."),
    SETTINGS,
    click.Option(["--failure"], metavar="MODE", help="Without a scenario: how a lone motor fails; well if absent."),
    click.Option(["--severity"], metavar="SHARE", help="How far that failure has gone; 100% if absent."),
    click.Option(["--seed"], type=SEED, default=1, help="Of the run, or which lone motor; which cut."),
    click.Option(["--samples"], type=click.IntRange(1, 1 << 24), default=25_600, help="Length of the record."),
    click.Option(["--csv"], is_flag=True, help="Print the record, a line a sample, instead of what it means."),
)
def waveform(
    talk: Talk,
    scenario: str | None,
    device: str | None,
    at: str | None,
    settings: tuple[str, ...],
    failure: str | None,
    severity: str | None,
    seed: int,
    samples: int,
    csv: bool,
) -> int:
    """Show what an accelerometer on a bearing would record.

    Defect frequencies, velocity and its zone by ISO 10816, or the record itself: at 25.6 kHz, from the hidden state of
    one machine: of a device of a scenario, which is played up to the instant, or of a lone motor. The same arguments
    give the same record.

    \b
      twinstorm waveform
      twinstorm waveform --failure bearing-spall --severity 50% --seed 3
      twinstorm waveform worn-bearings --device ham-1/motors-0001 --at 10min --seed 42
      twinstorm waveform --failure bearing-spall --csv > motor.csv
    """
    at_us = read_duration("--at", at, or_none=True)
    if scenario is None:
        if device is not None or at is not None or settings:
            raise UsageError("`--device`, `--at` and `--set` are about a scenario, and none is named")
        heard = _lone_motor(failure, 1.0 if severity is None else read_share("--severity", severity), seed)
    else:
        if failure is not None or severity is not None:
            raise UsageError("what fails in a scenario says the scenario: `--failure` is for a lone motor")
        if device is None:
            raise UsageError("which device is to be listened to?", "add `--device ID`")
        heard = _of_a_run(scenario, device, at_us, settings, seed)
    _print(talk, heard, seed, samples, csv)
    return 0


def _lone_motor(failure: str | None, severity: float, seed: int) -> _Heard:
    import numpy as np

    from twinstorm.scenarios.language.errors import closest, quoted
    from twinstorm.twin.flow import SECOND_US
    from twinstorm.twin.health import MachineHealth
    from twinstorm.twin.machines.conformance import Machines, some_keys
    from twinstorm.twin.machines.kind import Inputs
    from twinstorm.twin.machines.motor import Motor

    kind = Motor()
    modes = [mode.name for mode in kind.failures]
    if failure is not None and failure not in modes:
        close = closest(failure, modes)
        hint = f"did you mean `{close}`?" if close else f"all: {', '.join(modes)}"
        raise UsageError(f"no motor fails by {quoted(failure)}", hint)
    motor = Machines(kind, some_keys(1, seed), seed)
    if failure is not None:
        motor.failures[failure] = np.full(1, severity, np.float32)
    values = motor.step(SECOND_US)
    key = int(motor.keys[0])
    truth = kind.truth(motor.state, motor.parameters)
    return _Heard(
        who="motor",
        what=f"{failure}, severity {severity:.0%}" if failure else "nothing fails",
        key=key,
        shaken=kind.shaken(motor.state, motor.parameters, Inputs(0, 1, failures=motor.failures), key),
        health=MachineHealth(0, float(truth.health[0]), float(truth.remaining_s[0])),
        channels=kind.channels,
        told={channel.name: float(values[row, 0]) for row, channel in enumerate(kind.channels)},
    )


def _of_a_run(scenario: str, device: str, at_us: int | None, settings: tuple[str, ...], seed: int) -> _Heard:
    from twinstorm.scenarios.engine.errors import Refused
    from twinstorm.scenarios.engine.frames import device_named
    from twinstorm.scenarios.engine.run import RunOptions, build
    from twinstorm.scenarios.engine.wiring import ModelledWiring
    from twinstorm.scenarios.language.reader import load
    from twinstorm.scenarios.reports.words import clock, duration
    from twinstorm.twin.fleet import State

    written = load(scenario, settings, None)
    end_us = written.duration_us
    if at_us is not None and at_us > end_us:
        raise UsageError(f"`--at` lies after the end of {written.name}, which lasts {duration(end_us / 1e6)}")
    engine = build(written, RunOptions(seed=seed))
    registry, wiring = engine.registry, engine.wiring
    assert isinstance(wiring, ModelledWiring)
    try:
        number = device_named(device, registry.names)
    except Refused as refused:
        raise UsageError(str(refused)) from refused
    sampler = wiring.world.sampler
    kind = registry.kinds[registry.kind[number]]
    if not sampler.can_be_heard(number):
        able = sorted({name for name in registry.kinds if _listens(name)})
        has = f"of this fleet: {', '.join(able)}" if able else "no kind of this fleet has"
        raise UsageError(f"`{device}` is of kind {kind}, which has no bearing to listen to", has)
    engine.advance(end_us if at_us is None else at_us)
    channels = registry.channels[kind]
    newest = {channel.name: float(engine.core.newest_of(channel.name)[number]) for channel in channels}
    active = [step.name for step in engine.steps.active() if number in step.device]
    shaken = sampler.shaken(number, engine.now_us, bool(wiring.world.fleet.state[number] >= State.CONNECTING))
    assert shaken is not None
    return _Heard(
        who=device,
        what=f"{kind} at {clock(engine.now_us / 1e6)}, faults on it: {', '.join(active) or 'none'}",
        key=int(wiring.device_keys[number]),
        shaken=shaken,
        health=sampler.truth_of(number),
        channels=channels,
        told=newest,
    )


def _listens(kind: str) -> bool:
    from twinstorm.twin.machines.kind import catalogue
    from twinstorm.twin.physics.shaken import Shaking

    return isinstance(catalogue()[kind], Shaking)


def _print(talk: Talk, heard: _Heard, seed: int, samples: int, csv: bool) -> None:
    import numpy as np

    from twinstorm.twin.physics.shaken import RATE_HZ, part_of

    shaken = heard.shaken
    record = shaken.record(heard.key, seed, samples)
    if csv:
        talk.data("time_s,acceleration_m_s2")
        talk.data("\n".join(f"{at / RATE_HZ:.7f},{value:.4f}" for at, value in enumerate(record.tolist())))
        return
    peak, rms = float(np.abs(record).max()), float(np.sqrt(np.square(record, dtype=np.float64).mean()))
    geometry, turns_per_s = shaken.geometry, shaken.turns_per_s
    rows = [
        (heard.who, heard.what),
        ("load", shaken.load),
        ("health", f"{heard.health.health:.3f} (the truth)"),
        ("damage grows on", f"{part_of(heard.key)}"),
        *_velocity(heard),
        ("acceleration", f"rms {rms:.2f} m/s2, peak {peak:.1f} m/s2, crest factor {peak / rms:.1f}"),
        ("bearing", f"{shaken.bearing}, {geometry.rollers} rollers"),
        ("shaft", f"{turns_per_s:.2f} Hz"),
        ("outer ring", f"{geometry.outer * turns_per_s:.2f} Hz (BPFO)"),
        ("inner ring", f"{geometry.inner * turns_per_s:.2f} Hz (BPFI)"),
        ("ball", f"{2.0 * geometry.spin * turns_per_s:.2f} Hz (2 x BSF)"),
        ("cage", f"{geometry.cage * turns_per_s:.2f} Hz (FTF)"),
    ]
    width = max(len(name) for name, _ in rows)
    talk.data("\n".join(f"{name:<{width}}  {told}" for name, told in rows))


def _velocity(heard: _Heard) -> list[tuple[str, str]]:
    """What its own sensors told last of its vibration, and in which zone that is; of one at rest, that it is."""
    from math import isnan

    from twinstorm.twin.physics.bearing import zone_within

    if heard.shaken.velocity and not heard.shaken.turns_per_s:
        return [("velocity", "at rest")]  # What was told last is of before it stopped.
    told = {name: heard.told[name] for name in heard.shaken.velocity if not isnan(heard.told[name])}
    if not told:
        return [("velocity", "no channel tells it" if not heard.shaken.velocity else "nothing has been told yet")]
    axes = [name.removeprefix("vibration_").removesuffix("mm_s").strip("_") for name in told]
    said = ", ".join(f"{axis} {value:.2f}".strip() for axis, value in zip(axes, told.values(), strict=True))
    low, middle, high = next(one.zones for one in heard.channels if one.name in told)
    zone = zone_within(max(told.values()), (low, middle, high))
    worst = ", worst axis" if len(told) > 1 else ""
    return [("velocity", f"{said} mm/s rms"), ("zone", f"{zone} ({heard.shaken.standard}{worst})")]
