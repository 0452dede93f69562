"""What one device told in a recorded run. A record keeps no readings: the run is played again, and tells the same."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from twinstorm.detectors.taps import Accepted
from twinstorm.scenarios.engine.plan import origin_us, start_of
from twinstorm.scenarios.engine.run import RunOptions, build
from twinstorm.scenarios.fitting import Readings
from twinstorm.scenarios.language.model import Scenario
from twinstorm.scenarios.language.reader import read
from twinstorm.scenarios.record.folder import SCENARIO
from twinstorm.scenarios.record.read import RecordedRun
from twinstorm.twin.flow import SECOND_US, Int, Values


class NotRecorded(ValueError):
    """Why there are no readings of it, and what would do."""


@dataclass
class _Listener:
    """A tap for one device."""

    device: int
    dated_us: list[Int] = field(default_factory=list)
    values: list[Values] = field(default_factory=list)

    def take(self, accepted: Accepted) -> None:
        """See `Tap`."""
        mine = accepted.device == self.device
        if accepted.good is not None:
            mine = mine & accepted.good
        if mine.any():
            self.dated_us.append(accepted.dated_us[mine])
            self.values.append(accepted.values[mine])


def repeatable(run: RecordedRun) -> tuple[Scenario, RunOptions]:
    """What plays a recorded run again, to the instant at which it ended.

    Raises:
        NotRecorded: nobody can (a live run, one that has not ended, one in which somebody did something by hand).
        ScenarioErrors: the recorded scenario cannot be read by this version.
    """
    if run.about.clock != "virtual":
        raise NotRecorded(
            "a live run cannot be played again, and keeps no readings; `fit` and `detect` take a table of them"
        )
    if run.result is None:
        raise NotRecorded("this run has not ended; only a whole one can be played again")
    if run.result.ended == "aborted" or any(fault.injected for fault in run.result.faults):
        raise NotRecorded("faults were injected or ended by hand, and nobody can play that again")
    scenario = read(run.scenario_text, str(run.folder / SCENARIO))
    return scenario, RunOptions(seed=run.about.seed, until_us=round(run.result.simulated_s * SECOND_US))


def told_by(run: RecordedRun, device: str) -> tuple[str, Readings]:
    """Kind of machine of a device, and what the core accepted of it, by its own clock.

    Raises:
        NotRecorded: nobody can play it again (a live run, one that has not ended, one in which somebody did something
            by hand); no such device; no reading of it.
        ScenarioErrors: the recorded scenario cannot be read by this version.
        Unavailable: this machine has not enough memory.
    """
    scenario, options = repeatable(run)
    engine = build(scenario, options)
    registry = engine.registry
    number = next((place for place, name in enumerate(registry.names) if name == device), None)
    if number is None:
        raise NotRecorded(f"there is no device {device!r} in {run.about.scenario}; the first is {registry.names[0]}")
    listener = _Listener(number)
    engine.core.listen(listener)
    engine.play()
    kind = registry.kinds[registry.kind[number]]
    if not listener.values:
        raise NotRecorded(f"{device} told nothing in this run")
    dated_us = np.concatenate(listener.dated_us) + origin_us(start_of(scenario))
    values = np.concatenate(listener.values).astype(np.float64)
    # A clock that is put back tells some times twice: of those the last one counts.
    order = np.argsort(dated_us, kind="stable")
    last = np.append(np.diff(dated_us[order]) > 0, True)
    order = order[last]
    channels = {channel.name: values[order, column] for column, channel in enumerate(registry.channels[kind])}
    return kind, Readings(dated_us[order], channels)
