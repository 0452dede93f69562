"""Detectors on the Numenta Anomaly Benchmark: 58 series of servers, machines, traffic and tweets with labels.

Each file is streamed: a row's score is known before the next one is read, one detector with the same settings for all
files, nothing learnt from labels.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.harness import Result, at_least
from benchmarks.nab_scoring import PROFILES, Scored, benchmark, counted
from twinstorm.detectors.values.contract import Reals, Sample, ValueDetector, build
from twinstorm.detectors.values.tables import Row, Table, instant_us

DATA = "the folder with the benchmark's data and combined_windows.json"
"""Says to the command line that this benchmark wants `--data`, and what that is."""
NEEDS = ("combined_windows.json",)
OUT = "a folder for the scores, a file for each of the data"

DETECTORS = ("context", "band")
"""The first one's scores are written."""
REQUIRED = {"standard": 65.0, "low false positives": 55.0}
NUMENTA = {"standard": 70.10, "low false positives": 63.21, "low false negatives": 74.32}
"""What the benchmark's own result files of Numenta's detector have, with the best threshold."""


def bench(data: Path, out: Path | None) -> Iterator[Result]:
    """Scores by profile, with each file's threshold from the other files."""
    windows = json.loads((data / "combined_windows.json").read_text(encoding="utf-8"))
    files = {name: _rows(data / name) for name in sorted(windows)}
    for detector in DETECTORS:
        scored = []
        for name, rows in files.items():
            scores = streamed(build(detector, 1), rows)
            scored.append(Scored(scores, [_window(rows, *each) for each in windows[name]]))
            if out is not None and detector == DETECTORS[0]:
                _write(out / name, rows, scores)
        for profile, costs in PROFILES.items():
            best, held_out = benchmark(scored, costs)
            required, met = "", None
            if detector == DETECTORS[0] and profile in REQUIRED:
                required, met = at_least(REQUIRED[profile], held_out)
            yield Result(
                name=f"NAB by `{detector}`, {profile}, thresholds of other files (best threshold: {best:.1f})",
                value=round(held_out, 1),
                unit="points",
                peer="Numenta HTM, best threshold",
                peer_value=NUMENTA[profile],
                ratio=round(held_out / NUMENTA[profile], 2),
                required=required,
                met=met,
            )
        hits = counted(scored, PROFILES["standard"])
        yield Result(
            name=f"labelled anomalies that `{detector}` finds, of {hits.hit + hits.missed}, standard, thresholds of "
            f"other files (alarm rows outside of labels: {hits.false_rows})",
            value=hits.hit,
            unit="anomalies",
        )


def streamed(detector: ValueDetector, rows: list[Row]) -> Reals:
    """The score of each row, by what came before."""
    stepped = (detector.step(Sample(np.array([row.at_us]), row.values)) for row in rows)
    return np.array([float(score[0]) for score in stepped])


def _rows(path: Path) -> list[Row]:
    with path.open(encoding="utf-8", newline="") as lines:
        return list(Table(lines, wanted=("value",)).rows())


def _window(rows: list[Row], begin: str, end: str) -> tuple[int, int]:
    """First and last row of a label."""
    begin_us, end_us = instant_us(begin), instant_us(end)
    assert begin_us is not None
    assert end_us is not None
    within = [number for number, row in enumerate(rows) if begin_us <= row.at_us <= end_us]
    return within[0], within[-1]


def _write(path: Path, rows: list[Row], scores: Reals) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as sink:
        writer = csv.writer(sink, lineterminator="\n")
        writer.writerow(("timestamp", "score"))
        writer.writerows(
            (row.stamp, "" if score != score else repr(score)) for row, score in zip(rows, scores.tolist(), strict=True)
        )
