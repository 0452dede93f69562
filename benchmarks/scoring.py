"""Models over features: what it takes to score 1,000 windows of 10 features at once."""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np

from benchmarks.harness import Result, at_most
from twinstorm.detectors.values.contract import build, catalogue
from twinstorm.detectors.values.learnt import Learnt

WINDOWS, FEATURES, LEARNT = 1_000, 10, 200
TIMES = 300
REQUIRED_MS = 20.0


def bench() -> Iterator[Result]:
    """The 99th percentile of repeated calls."""
    chance = np.random.default_rng(42)
    learnt, rows = (chance.normal(size=(count, FEATURES)) for count in (LEARNT, WINDOWS))
    for name, kind in catalogue().working().items():
        if not issubclass(kind, Learnt):
            continue
        detector = build(name, 1)
        assert isinstance(detector, Learnt)
        judge = detector.judge(learnt)
        taken_ms = []
        for _ in range(TIMES):
            begun = time.perf_counter()
            judge.score(rows)
            taken_ms.append(1e3 * (time.perf_counter() - begun))
        last = float(np.quantile(taken_ms, 0.99))
        required, met = at_most(REQUIRED_MS, last)
        yield Result(
            name=f"{name}: {WINDOWS:,} windows of {FEATURES} features, 99th percentile",
            value=round(last, 2),
            unit="ms",
            required=required,
            met=met,
        )
