"""The fault `peak` in whole runs: evidence by device, no false alarm, and a run that is saved in the midst of it."""

from __future__ import annotations

import pytest

from twinstorm.scenarios.engine.engine import Engine
from twinstorm.scenarios.engine.outcome import result_of
from twinstorm.scenarios.engine.run import RunOptions, build
from twinstorm.scenarios.faults.base import catalogue
from twinstorm.scenarios.language.errors import ScenarioErrors
from twinstorm.scenarios.language.reader import read
from twinstorm.scenarios.result import RunResult

PLANT = """storm: 1
name: plant
story: Half of a plant is watched more closely for two minutes.
duration: 5 min
warm_up: 1 min
fleet:
  devices: 80
  sites: [a, b]
  keep_alive: 20 s
  segments:
    motors: {{kind: motor, share: 50 %, every: 2 s}}
    sensors: {{kind: environment, share: 25 %, every: 15 s, link: wifi}}
    cells: {{kind: controller, share: 15 %, every: 30 s}}
    eyes: {{kind: camera, share: 10 %, every: 1 min}}
objectives:
  fresh: {{sli: freshness, within: 60 s, at_least: 99 %}}
  connected: {{sli: connectivity, at_least: 99 %}}
steps:
  - {{name: closer, at: 90 s, fault: peak, target: {target}, lasts: 2 min, with: {{factor: {factor}}}}}
expect:
  - {{ledger: lost, at_most: 0}}
  - {{no_alarm: any}}
"""


def engine(target: str = "site=a", factor: str = "4") -> Engine:
    return build(read(PLANT.format(target=target, factor=factor), "plant.storm.yaml"), RunOptions(seed=3))


def played(run: Engine) -> RunResult:
    run.play()
    assert run.ledger().difference == 0
    return result_of(run, speed=0.0, wall_s=0.0, repeat="")


def test_a_peak_raises_no_alarm_misses_no_objective_and_proves_itself() -> None:
    result = played(engine())
    assert result.verdict == "held"
    assert not result.alarms
    # Motors for two minutes; sensors from their next reading on, which is that of 90 s.
    assert result.faults[0].evidence["readings_between"] > 20 * 60 * 3 + 10 * 8 * 3


@pytest.mark.parametrize("target", ["segment=cells", "segment=eyes", "segment=sensors", "id=a/motors-0003"])
def test_any_kind_can_peak(target: str) -> None:
    assert played(engine(target)).verdict == "held"


def test_a_run_that_is_saved_in_the_midst_of_it_goes_on_alike() -> None:
    whole = played(engine())
    for at_us in (93_750_001, 210_000_000, 213_000_000):
        first = engine()
        first.advance(at_us)
        rest = played(Engine.load(first.save()))
        assert rest.digest == whole.digest, at_us
        assert rest.faults[0].evidence == whole.faults[0].evidence


@pytest.mark.parametrize("factor", ["1", "0", "101"])
def test_a_factor_that_makes_no_peak_is_an_error_of_its_line(factor: str) -> None:
    with pytest.raises(ScenarioErrors) as raised:
        engine(factor=factor)
    assert [problem.path for problem in raised.value.problems] == ["steps[0].with.factor"]
    assert raised.value.problems[0].code == "S210"


def test_it_says_what_it_counts_and_runs_in_both_clocks() -> None:
    fault = catalogue()["peak"]
    assert "Evidence: readings" in fault.effect
    assert fault.clocks == {"virtual", "live"}
