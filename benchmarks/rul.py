"""Remaining life on NASA's turbofan engines, C-MAPSS FD001: 100 that ran to failure, 100 that were stopped before."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from benchmarks.harness import Result, at_most
from twinstorm.detectors.remaining_life import RemainingLife
from twinstorm.detectors.values.contract import Reals

DATA = "the folder with train_FD001.txt and test_FD001.txt"
NEEDS = ("train_FD001.txt", "test_FD001.txt")
OUT = "a file for the remaining cycles of each test engine: engine,rul"

CAP = 125.0
"""Cycles: remaining lives are compared up to here."""
FOLDS = 5
CUTS = 20
"""Instants at which a held-out engine is judged."""
FIRST_CUT = 30
REQUIRED = 15.0
SENSORS = slice(5, None)
"""Columns of a row behind engine, cycle and three settings."""


def bench(data: Path, out: Path | None) -> Iterator[Result]:
    """Root mean square error over engines that were not learnt from, at random instants of their lives."""
    engines = _engines(data / "train_FD001.txt")
    errors, covered, naive = judged(list(engines.values()))
    rmse = float(np.sqrt((errors * errors).mean()))
    required, met = at_most(REQUIRED, rmse)
    constant = float(np.sqrt((naive * naive).mean()))
    yield Result(
        name=f"C-MAPSS FD001, {FOLDS} folds of engines, random instants, lives up to {CAP:g}: RMSE",
        value=round(rmse, 2),
        unit="cycles",
        peer="the mean remaining life at each age",
        peer_value=round(constant, 2),
        ratio=round(constant / rmse, 2),
        required=required,
        met=met,
    )
    yield Result(name="lives that end within the bounds of 80 %", value=round(100.0 * covered, 1), unit="%")
    if out is None:
        return
    model = RemainingLife(CAP)
    model.fit(list(engines.values()))
    lines = [f"{number},{model.outlook(unit).cycles:.2f}" for number, unit in _engines(data / "test_FD001.txt").items()]
    out.write_text("\n".join(["engine,rul", *lines]) + "\n", encoding="utf-8")


def judged(engines: Sequence[Reals]) -> tuple[Reals, float, Reals]:
    """Errors of the model, share within its bounds, and errors of who knows only the age; engines held out in turn."""
    chance = np.random.default_rng(42)
    fold = chance.permutation(len(engines)) % FOLDS
    cuts = [chance.integers(FIRST_CUT, len(engine), CUTS) for engine in engines]
    errors, naive, within = [], [], []
    for held_out in range(FOLDS):
        known = [engine for engine, of in zip(engines, fold, strict=True) if of != held_out]
        model = RemainingLife(CAP)
        model.fit(known)
        lives = np.array([len(engine) for engine in known])
        for number in np.flatnonzero(fold == held_out).tolist():
            told = model.outlooks(engines[number], cuts[number].tolist())
            for cut, outlook in zip(cuts[number], told, strict=True):
                left = min(len(engines[number]) - cut, CAP)
                errors.append(outlook.cycles - left)
                within.append(outlook.at_least <= left <= outlook.at_most)
                older = lives[lives > cut]
                expected = np.minimum(older - cut, CAP).mean() if len(older) else 0.0
                naive.append(expected - left)
    return np.array(errors), float(np.mean(within)), np.array(naive)


def _engines(path: Path) -> dict[int, Reals]:
    """Sensors of each engine, a row a cycle."""
    rows = np.loadtxt(path)
    return {int(number): rows[rows[:, 0] == number][:, SENSORS] for number in np.unique(rows[:, 0])}
