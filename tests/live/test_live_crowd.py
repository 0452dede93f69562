"""A few real clients meet the storm of a modelled crowd."""

from __future__ import annotations

import multiprocessing
import re
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from twinstorm.scenarios.engine.crowd import Crowd
from twinstorm.scenarios.engine.errors import Unavailable
from twinstorm.scenarios.engine.run import Run, RunOptions
from twinstorm.scenarios.language.reader import load
from twinstorm.scenarios.result import RunResult

TEXT = """storm: 1
name: live-crowd
story: Ten twins on the wire, and a crowd that wants in when they do.
duration: 20 s
warm_up: 2 s
fleet:
  devices: {devices}
  cohort: 10
  boot: 1 s
  keep_alive: 12 s
  reconnect: {{backoff: exponential, base: 500 ms, cap: 4 s, jitter: full, timeout: 3 s}}
  segments:
    motors: {{kind: motor, share: 100 %, every: 1 s, link: ethernet}}
broker: {{model: ideal, connects: {{rate: 100/s, burst: 20, queue: 20}}}}
objectives: {{connected: {{sli: connectivity, at_least: 1 %}}}}
steps:
  - {{name: outage, at: 4 s, fault: power-outage, target: all, lasts: 2 s}}
"""


def play(tmp_path: Path, devices: int) -> RunResult:
    path = tmp_path / "live-crowd.storm.yaml"
    path.write_text(TEXT.format(devices=devices), encoding="utf-8")
    result = Run(load(str(path)), RunOptions(seed=3, live=True, speed=4.0)).execute()
    assert multiprocessing.active_children() == []
    return result


def test_ten_twins_for_whom_the_door_is_wide_are_refused_in_a_crowd(tmp_path: Path) -> None:
    crowded = play(tmp_path, 2_010)
    assert crowded.counts["refused"] >= 10
    unanswered = crowded.counts["attempts"] - crowded.counts["admitted"] - crowded.counts["refused"]
    assert 0 <= unanswered <= 10, "a twin hangs up on a machine that paused for longer than its patience"
    assert any("crowd: 2,000 devices modelled, " in note for note in crowded.notes)
    (wire,) = [note for note in crowded.notes if note.startswith("on the wire: 10 twins")]
    (on_wire,) = re.findall(r"([0-9,]+) were refused", wire)
    # Whoever has hung up does not hear that it is refused.
    assert 0 <= int(on_wire.replace(",", "")) - crowded.counts["refused"] <= unanswered


def test_a_crowd_that_ends_by_itself_ends_the_run(tmp_path: Path) -> None:
    go = Crowd.go

    def dies(crowd: Crowd, *arguments: Any) -> None:
        go(crowd, *arguments)
        crowd._process.kill()

    with patch.object(Crowd, "go", dies), pytest.raises(Unavailable, match="crowd"):
        play(tmp_path, 500)
    assert multiprocessing.active_children() == []
