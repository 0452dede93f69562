"""`twinstorm waveform`: what an accelerometer on a motor's bearing would record, and what it means."""

from __future__ import annotations

from typing import Final

import click

from twinstorm.tui.cli.command import UsageError, command
from twinstorm.tui.cli.options import read_share
from twinstorm.tui.cli.talk import Talk

MACHINE_CLASS: Final = "II"
"""Of ISO 10816-1, by which the motor of 15 kW is judged."""


@command(
    click.Option(["--failure"], metavar="MODE", help="A way in which motors fail; without it a motor that is well."),
    click.Option(["--severity"], default="100%", metavar="SHARE", help="How far the failure has gone."),
    click.Option(["--seed"], type=click.IntRange(0), default=1, help="Which motor, and which cut of its waveform."),
    click.Option(["--samples"], type=click.IntRange(1, 1 << 24), default=25_600, help="Length of the record."),
    click.Option(["--csv"], is_flag=True, help="Print the record, a line a sample, instead of what it means."),
)
def waveform(talk: Talk, failure: str | None, severity: str, seed: int, samples: int, csv: bool) -> int:
    """Show what an accelerometer on a motor would record.

    Defect frequencies, velocity and its zone by ISO 10816, or the record itself: at 25.6 kHz, from the hidden state of
    one motor. The same arguments give the same record.

    \b
      twinstorm waveform
      twinstorm waveform --failure bearing-spall --severity 50% --seed 3
      twinstorm waveform --failure bearing-spall --csv > motor.csv
    """
    import numpy as np

    from twinstorm.scenarios.language.errors import closest, quoted
    from twinstorm.twin.flow import SECOND_US
    from twinstorm.twin.machines.conformance import Machines, some_keys
    from twinstorm.twin.machines.motor import Motor
    from twinstorm.twin.physics.bearing import BALL_6309, zone
    from twinstorm.twin.physics.motor_waveform import motor_acceleration, part_of

    share = read_share("--severity", severity)
    modes = [mode.name for mode in Motor.failures]
    if failure is not None and failure not in modes:
        close = closest(failure, modes)
        hint = f"did you mean `{close}`?" if close else f"all: {', '.join(modes)}"
        raise UsageError(f"no motor fails by {quoted(failure)}", hint)
    motor = Machines(Motor(), some_keys(1, seed), seed)
    if failure is not None:
        motor.failures[failure] = np.full(1, share, np.float32)
    motor.step(SECOND_US)
    key = int(motor.keys[0])
    rate_hz = 25_600.0
    record = motor_acceleration(motor.state, motor.parameters, motor.failures, 0, key, seed, samples, rate_hz)
    if csv:
        talk.data("time_s,acceleration_m_s2")
        talk.data("\n".join(f"{at / rate_hz:.7f},{value:.4f}" for at, value in enumerate(record.tolist())))
        return 0
    axes = {axis: float(motor.channel(f"vibration_{axis}_mm_s")[0]) for axis in "xyz"}
    worst = max(axes.values())
    turns_per_s = float(motor.channel("speed_rpm")[0]) / 60.0
    peak, rms = float(np.abs(record).max()), float(np.sqrt(np.square(record, dtype=np.float64).mean()))
    rows = (
        ("motor", f"{failure}, severity {share:.0%}" if failure else "nothing fails"),
        ("health", f"{float(motor.kind.truth(motor.state, motor.parameters).health[0]):.3f}"),
        ("damage grows on", part_of(key)),
        ("velocity", ", ".join(f"{axis} {value:.2f}" for axis, value in axes.items()) + " mm/s rms"),
        ("zone", f"{zone(worst, MACHINE_CLASS)} (ISO 10816-1, class {MACHINE_CLASS}, worst axis)"),
        ("acceleration", f"rms {rms:.2f} m/s2, peak {peak:.1f} m/s2, crest factor {peak / rms:.1f}"),
        ("shaft", f"{turns_per_s:.2f} Hz"),
        ("outer ring", f"{BALL_6309.outer * turns_per_s:.2f} Hz (BPFO)"),
        ("inner ring", f"{BALL_6309.inner * turns_per_s:.2f} Hz (BPFI)"),
        ("ball", f"{2.0 * BALL_6309.spin * turns_per_s:.2f} Hz (2 x BSF)"),
        ("cage", f"{BALL_6309.cage * turns_per_s:.2f} Hz (FTF)"),
    )
    width = max(len(name) for name, _ in rows)
    talk.data("\n".join(f"{name:<{width}}  {told}" for name, told in rows))
    return 0
