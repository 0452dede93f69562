"""The benchmark's score of a detector: its fixed points, and what one detection and one false alarm are worth."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.nab import bench
from benchmarks.nab_scoring import PROFILES, Counted, Profile, Scored, benchmark, counted

ROWS = 2_000
WINDOW = (1_000, 1_199)


def one(*alarms: int, windows: tuple[tuple[int, int], ...] = (WINDOW,)) -> Scored:
    scores = np.zeros(ROWS)
    scores[list(alarms)] = 1.0
    return Scored(scores, windows)


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
def test_silence_is_0_and_an_alarm_at_the_start_of_each_window_is_100(profile: Profile) -> None:
    assert benchmark([Scored(np.full(ROWS, np.nan), [WINDOW])], profile) == (0.0, 0.0)
    perfect = [one(1_000), one(1_500, windows=((1_500, 1_600),))]
    assert benchmark(perfect, profile) == pytest.approx((100.0, 100.0))


def test_a_later_alarm_earns_less_and_the_second_in_a_window_nothing() -> None:
    standard = PROFILES["standard"]
    half = benchmark([one(1_100)], standard)[0]
    # Half way: 2 / (1 + exp(-2.5)) - 1 of its value at the start, plus what a miss would have cost.
    assert half == pytest.approx(100.0 * (0.848284 / 0.986614 + 1.0) / 2.0, abs=1e-3)
    assert benchmark([one(1_100, 1_150)], standard)[0] == half


def test_a_false_alarm_costs_its_profile_less_shortly_after_a_window_and_nothing_in_probation() -> None:
    quiet, early, near, far = (), (500,), (1_205,), (1_900,)
    for profile in PROFILES.values():
        cost = {
            alarms: 100.0 - benchmark([one(1_000, *alarms)], profile)[0] for alarms in (quiet, early, near, far, (100,))
        }
        full = 100.0 * profile.false_alarm / (1.0 + profile.missed)
        assert cost[quiet] == cost[(100,)] == pytest.approx(0.0)
        assert cost[early] == cost[far] == pytest.approx(full)
        assert 0.0 < cost[near] < 0.2 * full


def test_a_threshold_from_other_files_is_no_better_than_the_best() -> None:
    chance = np.random.default_rng(3)
    files = [Scored(chance.random(ROWS), [WINDOW]) for _ in range(5)]
    best, held_out = benchmark(files, PROFILES["standard"])
    assert held_out <= best


def test_hits_are_counted_at_the_threshold_of_the_other_files() -> None:
    files = [one(1_100, 1_150), one(1_000, 500), one(windows=((300, 400), (1_500, 1_600))), one(100, 1_000)]
    # Two alarms in a window hit it once, and one in probation is none.
    assert counted(files, PROFILES["standard"]) == Counted(hit=3, missed=2, false_rows=1)


def test_the_bench_writes_a_score_a_row_and_sees_the_anomaly(tmp_path: Path) -> None:
    level = 50.0 + np.random.default_rng(5).normal(0.0, 1.0, 1_200)
    level[900:910] = 80.0
    rows = [f"2026-01-{1 + row // 288:02} {row % 288 // 12:02}:{row % 12 * 5:02}:00" for row in range(1_200)]
    data, out = tmp_path / "data", tmp_path / "out"
    (data / "real").mkdir(parents=True)
    text = "".join(f"{stamp},{value}\n" for stamp, value in zip(rows, level, strict=True))
    (data / "real" / "a.csv").write_text("timestamp,value\n" + text)
    (data / "combined_windows.json").write_text(json.dumps({"real/a.csv": [[rows[890], rows[920]]]}))
    results = {result.name.split(",")[0]: result for result in bench(data, out)}
    hits = {f"labelled anomalies that `{name}` finds" for name in ("context", "band")}
    assert set(results) == {"NAB by `context`", "NAB by `band`"} | hits
    lines = (out / "real" / "a.csv").read_text().splitlines()
    assert lines[0] == "timestamp,score"
    assert [line.split(",")[0] for line in lines[1:]] == rows
    scores = np.array([float(line.split(",")[1] or "nan") for line in lines[1:]])
    assert scores[900] == np.nanmax(scores[400:]) > 1.0
