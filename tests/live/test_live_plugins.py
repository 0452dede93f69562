"""Live runs with a stranger's plug-in that fails in the worker."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.strangers import KIND, distribution
from twinstorm.scenarios.record.read import open_run

BELTS = """storm: 1
name: belts
story: Belts run.
duration: 1 min
fleet:
  devices: 5
  sites: [hall-1]
  segments:
    belts: {kind: belt, share: 100 %, every: 1 s}
expect:
  - eventually: connectivity > 50 %
"""


def test_a_kind_that_raises_in_the_worker_ends_the_run_and_is_named(tmp_path: Path) -> None:
    source = KIND.replace("out[1] = 10.0", "out[1] = 10.0 if inputs.now_us < 3_000_000 else [0] / 2")
    module = distribution(tmp_path, source, {"twinstorm.machines": {"belt": "Belt"}})
    (tmp_path / "belts.storm.yaml").write_text(BELTS)
    done = subprocess.run(
        [sys.executable, "-m", "twinstorm.tui", "run", "belts.storm.yaml", "--live", "--speed", "5"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=50,
    )
    assert done.returncode == 70, done.stdout + done.stderr
    said = f"machine kind `belt` ({module}:Belt, acme-plant 0.1): `step` raised TypeError: unsupported operand"
    assert said in done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    run = open_run("last", tmp_path / "runs")
    assert run.about.stopped.startswith(said)
    trace = (run.folder / "trace.txt").read_text()
    assert "inputs.now_us < 3_000_000" in trace, "the trace of the worker, where it happened"
