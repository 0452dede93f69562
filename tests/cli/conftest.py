"""A command line whose engine is a puppet: tests say what a run tells and how it ends."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner

from tests.record.recorded import FakeFleet, result, scenario, tell
from twinstorm.scenarios.engine.rates import Rates
from twinstorm.scenarios.engine.run import RunOptions
from twinstorm.scenarios.language.model import Scenario
from twinstorm.scenarios.language.overrides import Setting
from twinstorm.scenarios.result import RunResult, Sink
from twinstorm.tui.cli.main import app

Ending = Callable[[Scenario, RunOptions], RunResult]


@dataclass
class Puppet:
    """Stands for reader and engine.

    Attributes:
        ends: makes the result of a run, or raises what the engine would.
        refuses: scenario name to the error of its reading.
        played: what was run, in order: scenario and options.
        read: what was read, in order: name, settings, devices.
    """

    ends: Ending = field(default=lambda scenario, options: result(scenario=scenario.name, seed=options.seed))
    refuses: dict[str, Exception] = field(default_factory=dict)
    played: list[tuple[Scenario, RunOptions]] = field(default_factory=list)
    read: list[tuple[str, tuple[str, ...], int | None]] = field(default_factory=list)

    def load(self, name: str, settings: Sequence[str | Setting] = (), devices: int | None = None) -> Scenario:
        self.read.append((name, tuple(str(setting) for setting in settings), devices))
        if name in self.refuses:
            raise self.refuses[name]
        stem = Path(name).name.removesuffix(".storm.yaml")
        return scenario(name=stem, path=name, fleet=FakeFleet(devices or 1_000))

    def run(self, scenario: Scenario, options: RunOptions, sinks: Sequence[Sink]) -> PuppetRun:
        return PuppetRun(self, scenario, options, sinks)


@dataclass
class PuppetRun:
    puppet: Puppet
    scenario: Scenario
    options: RunOptions
    sinks: Sequence[Sink]

    holds = False
    rates = Rates(1.0)

    def interrupt(self, why: str = "") -> None:
        raise AssertionError("nobody asked for this")

    def execute(self, progress: Callable[[int], None] | None = None) -> RunResult:
        self.puppet.played.append((self.scenario, self.options))
        outcome = None
        try:
            for sink in self.sinks:
                tell(sink)
            if progress is not None:
                progress(300_000_000)
            outcome = self.puppet.ends(self.scenario, self.options)
        finally:
            for sink in self.sinks:
                sink.close(outcome)
        return outcome


@dataclass(frozen=True)
class Ran:
    """What a command did."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        return msgspec.json.decode(self.out)


@pytest.fixture
def puppet(monkeypatch: pytest.MonkeyPatch) -> Puppet:
    stands_in = Puppet()
    monkeypatch.setattr("twinstorm.scenarios.engine.run.Run", stands_in.run)
    monkeypatch.setattr("twinstorm.scenarios.language.reader.load", stands_in.load)
    return stands_in


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Ran]:
    """Run a command line in an empty folder, without colours of the environment."""
    monkeypatch.chdir(tmp_path)
    for name in ("NO_COLOR", "FORCE_COLOR", "TERM"):
        monkeypatch.delenv(name, raising=False)
    return invoke


def invoke(*arguments: str) -> Ran:
    """Run a command line in the folder and with the surroundings that there are."""
    done = CliRunner().invoke(app, list(arguments), prog_name="twinstorm")
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return Ran(done.exit_code, done.stdout, done.stderr)


def ended(**changes: Any) -> Ending:
    """Every run ends like this."""

    def end(scenario: Scenario, options: RunOptions) -> RunResult:
        return result(**{"scenario": scenario.name, "seed": options.seed, **changes})

    return end


def held(**changes: Any) -> Ending:
    """All expectations hold."""
    told = result()
    good = [msgspec.structs.replace(each, verdict="held") for each in told.expectations]
    (objective,) = told.objectives
    fine = msgspec.structs.replace(
        objective, value=0.9995, verdict="held", missed_from_s=None, missed_to_s=None, budget_left=0.5
    )
    return ended(**{"verdict": "held", "expectations": good, "objectives": [fine], **changes})


def raised(error: BaseException) -> Ending:
    """The engine fails."""

    def end(scenario: Scenario, options: RunOptions) -> RunResult:
        raise error

    return end


def plain(text: str) -> str:
    """Without colours."""
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


__all__ = ["Puppet", "Ran", "ended", "held", "plain", "raised", "replace"]
