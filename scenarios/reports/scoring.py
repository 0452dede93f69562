"""Alarms of a run against its faults: what each detector is worth, and what became of each kind of fault.

Everything comes from the document of the run, so a record can be scored long after.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import attrgetter
from statistics import median

import msgspec

from twinstorm.scenarios.foretold import foretold
from twinstorm.scenarios.language.watching import DRIFT_SUFFIX
from twinstorm.scenarios.reports.words import duration
from twinstorm.scenarios.result import AlarmResult, FaultResult, ForecastResult, RunResult
from twinstorm.twin.signs import OF_REGISTRY

DAY_S = 86_400.0


class ScoreRow(msgspec.Struct, frozen=True, kw_only=True):
    """One detector, one kind of fault, or all.

    Attributes:
        alarms: that were raised (of a kind of fault: that it caused). `causes`: those among them with a fault behind.
        faults: that bit (of a kind). `found`: those that raised one of these alarms.
        precision: causes over alarms. recall: found over faults.
        delay_s: median over found faults, from the start of each to its first of these alarms. evident_delay_s: the
            same from the start of the second in which its first evidence was counted.
        right: share of the alarms with a cause whose group is the devices that the fault struck, of those that found
            a group or looked for one.
        pages: of the alarms. false_pages: of them, those without a cause.
        false_pages_per_day: by simulated days of the whole fleet after the warm-up.
    """

    name: str
    alarms: int
    causes: int
    faults: int
    found: int
    precision: float | None
    recall: float | None
    delay_s: float | None
    evident_delay_s: float | None
    right: float | None
    pages: int
    false_pages: int
    false_pages_per_day: float | None


class LifeRow(msgspec.Struct, frozen=True, kw_only=True):
    """How early a fault that shortens the lives of machines was found, measured by what they had left: the median of
    its machines, as their twins reckoned it when it began and when its first alarm was raised; None: it raised none, or
    one that is not about values."""

    step: str
    fault: str
    life_s: float
    life_found_s: float | None


class Score(msgspec.Struct, frozen=True, kw_only=True):
    """The document of ``twinstorm score --json``."""

    scenario: str
    seed: int
    days: float
    """Simulated, after the warm-up."""
    control: bool
    """No fault bit: every alarm is false."""
    total: ScoreRow
    detectors: list[ScoreRow]
    faults: list[ScoreRow]
    lives: list[LifeRow] = []
    forecasts: list[ForecastResult] = []
    shadows: list[ScoreRow] = []
    """Detectors in the shadow, as if they had raised what they found; none of it is in the other rows."""


def score_of(result: RunResult, warm_up_s: float) -> Score:
    """Judge the alarms that were raised after the warm-up. Those that a maintenance window kept back are none, that a
    model is out of date is about no device, and that certificates end is so, whatever fails."""
    of_no_fault = OF_REGISTRY | {each.detector + DRIFT_SUFFIX for each in result.models}
    alarms = [alarm for alarm in result.alarms if alarm.at_s >= warm_up_s and alarm.name not in of_no_fault]
    shadows = [alarm for alarm in result.shadows if alarm.at_s >= warm_up_s]
    in_shadow = {alarm.name for alarm in shadows} | {each.detector for each in result.models if each.shadow}
    live = {alarm.name for alarm in alarms} | {each.detector for each in result.models if not each.shadow}
    faults = [fault for fault in result.faults if fault.bit]
    days = max(result.simulated_s - warm_up_s, 0.0) / DAY_S

    def row(name: str, of: Sequence[AlarmResult], by: Sequence[FaultResult]) -> ScoreRow:
        return _row(name, of, by, days)

    return Score(
        scenario=result.scenario,
        seed=result.seed,
        days=days,
        control=not faults,
        total=row("all", alarms, faults),
        detectors=[row(name, [alarm for alarm in alarms if alarm.name == name], faults) for name in sorted(live)],
        shadows=[row(name, [alarm for alarm in shadows if alarm.name == name], faults) for name in sorted(in_shadow)],
        faults=[
            row(kind, _caused(alarms, kind, faults), [fault for fault in faults if fault.fault == kind])
            for kind in sorted({fault.fault for fault in faults})
        ],
        lives=[
            LifeRow(step=fault.name, fault=fault.fault, life_s=fault.life_s, life_found_s=fault.life_found_s)
            for fault in faults
            if fault.life_s is not None
        ],
        forecasts=result.forecasts,
    )


def _caused(alarms: Sequence[AlarmResult], kind: str, faults: Sequence[FaultResult]) -> list[AlarmResult]:
    steps = {fault.name for fault in faults if fault.fault == kind}
    return [alarm for alarm in alarms if alarm.fault in steps]


def _row(name: str, alarms: Sequence[AlarmResult], faults: Sequence[FaultResult], days: float) -> ScoreRow:
    causes = [alarm for alarm in alarms if alarm.fault is not None]
    naming = [alarm for alarm in causes if alarm.right is not None]
    delays, evident = [], []
    for fault in faults:
        mine = [alarm for alarm in causes if alarm.fault == fault.name and alarm.delay_s is not None]
        if not mine:
            continue
        first = min(mine, key=attrgetter("at_s"))
        delays.append(first.delay_s or 0.0)
        if fault.evident_s is not None:
            evident.append(round(max(first.at_s - fault.evident_s, 0.0), 6))
    pages = [alarm for alarm in alarms if alarm.severity == "page"]
    false_pages = sum(alarm.fault is None for alarm in pages)
    return ScoreRow(
        name=name,
        alarms=len(alarms),
        causes=len(causes),
        faults=len(faults),
        found=len(delays),
        precision=_share(len(causes), len(alarms)),
        recall=_share(len(delays), len(faults)),
        delay_s=median(delays) if delays else None,
        evident_delay_s=median(evident) if evident else None,
        right=_share(sum(alarm.right is True for alarm in naming), len(naming)),
        pages=len(pages),
        false_pages=false_pages,
        false_pages_per_day=false_pages / days if days else None,
    )


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None


HEAD = (
    "",
    "alarms",
    "precision",
    "faults found",
    "recall",
    "delay",
    "from evidence",
    "cause named",
    "pages",
    "false pages a fleet-day",
)


def cells(row: ScoreRow, share: Callable[[float], str]) -> tuple[str, ...]:
    """A row of the table in words; ``-`` where there is nothing to divide by."""

    def told(value: float | None) -> str:
        return "-" if value is None else share(value)

    return (
        row.name,
        f"{row.alarms:,}",
        told(row.precision),
        f"{row.found} of {row.faults}",
        told(row.recall),
        *("-" if delay_s is None else f"{delay_s:,.1f} s" for delay_s in (row.delay_s, row.evident_delay_s)),
        told(row.right),
        f"{row.pages:,}",
        "-" if row.false_pages_per_day is None else f"{row.false_pages_per_day:,.2f}",
    )


def life(row: LifeRow) -> str:
    """``wear, bearing-spall: 12 d 22 h of life left when it began, 12 d 2 h at its first alarm``. Not known at its
    first alarm: there was none, or it was about no value, or the fault was over by then."""
    began = f"{row.step}, {row.fault}: {duration(row.life_s)} of life left when it began"
    return began + (
        ", not known at a first alarm"
        if row.life_found_s is None
        else f", {duration(row.life_found_s)} at its first alarm"
    )


def stories(scored: Score) -> list[str]:
    """What stands under the table."""
    return [*map(life, scored.lives), *map(foretold, scored.forecasts)]
