"""`twinstorm spectrum`: which part of a bearing a record of vibration says is broken."""

from __future__ import annotations

import click

from twinstorm.tui.cli.command import UsageError, command
from twinstorm.tui.cli.options import POSITIVE
from twinstorm.tui.cli.tables import DECIMAL, SEP, manner_of, opened, told_of
from twinstorm.tui.cli.talk import Talk


@command(
    click.Argument(["file"], metavar="FILE", help="A table with a header; -: standard input."),
    SEP,
    DECIMAL,
    click.Option(["--column"], default="", metavar="NAME", help="Of the acceleration; absent: the only one."),
    click.Option(["--rate"], type=POSITIVE, required=True, metavar="HZ", help="Samples/s."),
    click.Option(["--shaft"], type=POSITIVE, required=True, metavar="HZ", help="Turns/s."),
    click.Option(["--orders"], default="", metavar="O,I,B,C", help="BPFO, BPFI, 2 x BSF and FTF, in turns."),
    click.Option(["--bearing"], default="", metavar="N,d,D", help="Or its rollers, their diameter, their circle's."),
    click.Option(["--band"], default="", metavar="LOW,HIGH", help="In which it rings, Hz; absent: 2000,6000."),
)
def spectrum(
    talk: Talk,
    file: str,
    separator: str | None,
    decimal: str,
    column: str,
    rate: float,
    shaft: float,
    orders: str,
    bearing: str,
    band: str,
) -> int:
    """Say which part of a bearing is broken.

    Takes the envelope of a record of acceleration and searches its spectrum at the rates of the bearing's parts. A
    score of 1 is the limit: lines five times as high as the noise around them. Speed and bearing must be right
    within two percent.

    \b
      twinstorm waveform --failure bearing-spall --csv > motor.csv
      twinstorm spectrum motor.csv --column acceleration_m_s2 --rate 25600 --shaft 24.88 --bearing 8,17.462,72.5
      twinstorm spectrum run.csv --rate 12000 --shaft 29.95 --orders 3.585,5.415,4.714,0.398

    Exit: 0 told, also if something is broken; 2 command line or record wrong.
    """
    from contextlib import ExitStack

    import numpy as np

    from twinstorm.detectors.values.spectral import BAND_HZ, Orders, diagnose
    from twinstorm.detectors.values.tables import Table

    if bool(orders) == bool(bearing):
        raise UsageError(
            "which bearing is it?", "either `--orders 3.585,5.415,4.714,0.398` or `--bearing 9,7.94,39.04`"
        )
    manner = manner_of(separator, decimal)
    with ExitStack() as stack:
        lines = opened(stack, file)
        with told_of(file):
            table = Table(lines, manner, wanted=(column,) if column else ())
            if len(table.channels) != 1:
                raise UsageError(f"{file} has several columns", f"name one: --column {table.channels[-1]}")
            samples = np.array([row.values[0] for row in table.rows()])
    try:
        if orders:
            of = Orders(*_numbers("--orders", orders, 4))
        else:
            rollers, roller_mm, pitch_mm = _numbers("--bearing", bearing, 3)
            of = Orders.of(round(rollers), roller_mm, pitch_mm)
        low, high = _numbers("--band", band, 2) if band else BAND_HZ
        found = diagnose(samples, rate, shaft, of, (low, high))
    except ValueError as error:
        raise UsageError(str(error)) from None
    said = {"outer": "outer ring", "inner": "inner ring", "ball": "roller", "cage": "cage"}
    talk.data(f"broken: {said[found.part]}" if found.part else "no part stands out")
    for line in found.lines:
        talk.data(
            f"{said[line.part]:<10}  score {line.score:5.2f}  expected {line.expected_hz:8.2f} Hz"
            f"  highest line {line.found_hz:8.2f} Hz"
        )
    return 0


def _numbers(option: str, text: str, count: int) -> list[float]:
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) != count or not all(0.0 < number < float("inf") for number in numbers):
        raise UsageError(f"{option} wants {count} numbers above 0 with commas between them, not `{text}`")
    return numbers
