"""A detector that breaks its contract is taken out with an incident of its own, and the others go on."""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import pytest

from tests.detectors.lab import Lab, registry_of
from twinstorm.detectors import contract, fence
from twinstorm.detectors.contract import Batch
from twinstorm.detectors.fence import fenced
from twinstorm.detectors.options import Option
from twinstorm.detectors.policy import Policy
from twinstorm.detectors.values import contract as on_values
from twinstorm.detectors.values.contract import Reals, Sample, ValueDetector
from twinstorm.twin.flow import SECOND_US, Registry, Values


class Fragile:
    """Breaks in one of its methods after ten seconds."""

    name: ClassVar[str] = "fragile"
    summary: ClassVar[str] = "breaks"
    headline: ClassVar[str] = "broke"
    options: ClassVar[tuple[Option, ...]] = (
        Option("where", "word", "", "method", ("score", "learn", "shape", "exit", "stall", "stubborn")),
    )

    def __init__(self, registry: Registry, settings: Mapping[str, Any]) -> None:
        self.policy = Policy(share=0.3, fleet_share=0.3)
        self.where = settings["where"]

    def learn(self, batch: Batch) -> None:
        if self.where == "learn" and batch.now_us == 10 * SECOND_US:
            raise ValueError("not today")

    def score(self, batch: Batch) -> Values:
        if batch.now_us == 10 * SECOND_US:
            if self.where == "score":
                raise ValueError("not today")
            if self.where == "exit":
                raise SystemExit(3)
            while self.where == "stall":
                pass
            while self.where == "stubborn":
                with contextlib.suppress(Exception):
                    while True:
                        pass
            if self.where == "shape":
                return np.zeros(3, np.float32)
        return np.zeros(len(batch), np.float32)


class Brittle(ValueDetector):
    """Breaks at its tenth value."""

    name: ClassVar[str] = "brittle"
    summary: ClassVar[str] = "breaks"
    options: ClassVar[tuple[Option, ...]] = ()
    seen = 0

    def score(self, sample: Sample) -> Reals:
        if self.seen == 9:
            raise ZeroDivisionError("of nothing")
        return sample.values * 0.0

    def learn(self, sample: Sample) -> None:
        self.seen += 1


@pytest.fixture
def strange(monkeypatch: pytest.MonkeyPatch) -> None:
    mine, on_value = {**contract.catalogue(), "fragile": Fragile}, {"brittle": Brittle}
    monkeypatch.setattr(contract, "catalogue", lambda: mine)
    monkeypatch.setattr(on_values, "catalogue", lambda: on_value)


@pytest.mark.usefixtures("strange")
@pytest.mark.parametrize(
    ("where", "what"),
    [
        ("score", "`score` raised ValueError: not today"),
        ("learn", "`learn` raised ValueError: not today"),
        ("exit", "`score` raised SystemExit: 3"),
        ("shape", "`score` gave float32 (3,), not float32 (50,)"),
    ],
)
def test_a_detector_that_breaks_is_taken_out_and_the_others_go_on(where: str, what: str) -> None:
    settings: dict[str, Any] = {"fragile": {"where": where}, "silence": {}}
    lab = Lab.start(registry_of(), warm_up_s=0, **settings)
    panes = lab.play(20)
    (incident,) = [incident for pane in panes for incident in pane.new_incidents]
    assert incident.title == f"detector fragile broke and looks no more: {what}"
    assert (incident.opened_us, incident.alarms, incident.state) == (10 * SECOND_US, [], "open")
    (found,) = lab.core.taken_out
    assert (found.name, found.what) == ("fragile", what)
    lab.power_off(np.arange(8))
    lab.play(30)
    assert [alarm.name for alarm in lab.core.alarms] == ["silence"]


@pytest.mark.usefixtures("strange")
@pytest.mark.parametrize("where", ["stall", "stubborn"])
def test_a_detector_that_stalls_is_interrupted_and_the_alarm_of_others_stays(
    where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fence, "LONGEST_S", 0.2)
    waited_for, _ = signal.getitimer(signal.ITIMER_REAL)
    handler = signal.getsignal(signal.SIGALRM)
    lab = Lab.start(registry_of(), warm_up_s=0, fragile={"where": where}, silence={})
    lab.play(20)
    (found,) = lab.core.taken_out
    assert (found.name, found.at_us, found.what) == (
        "fragile",
        10 * SECOND_US,
        "`score` did not come back within 0.2 s",
    )
    assert signal.getsignal(signal.SIGALRM) is handler
    assert bool(signal.getitimer(signal.ITIMER_REAL)[0]) == bool(waited_for)


def test_an_alarm_that_somebody_waits_for_comes_when_it_would_have_come() -> None:
    came: list[int] = []
    before_s = signal.setitimer(signal.ITIMER_REAL, 0)
    handler = signal.signal(signal.SIGALRM, lambda *_: came.append(1))
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        with fenced("score", object()):
            pass
        # The timer is at 0 a moment before Python hears of it, and another thread may be the one to which it is told.
        until_s = time.monotonic() + 10.0
        while not came and time.monotonic() < until_s:
            pass
        assert came == [1]
    finally:
        signal.signal(signal.SIGALRM, handler)
        signal.setitimer(signal.ITIMER_REAL, *before_s)


@pytest.mark.usefixtures("strange")
def test_a_detector_on_values_that_breaks_costs_no_reading() -> None:
    settings: dict[str, Any] = {"brittle": {}, "silence": {}}
    lab = Lab.start(registry_of(), warm_up_s=0, **settings)
    lab.play(30)
    assert lab.core.accepted == 30 * 40 + 10
    (found,) = lab.core.taken_out
    assert (found.name, found.what) == ("brittle", "`step` raised ZeroDivisionError: of nothing")
    assert lab.core.on_values == []
    assert [incident.title for incident in lab.core.incidents] == [
        "detector brittle broke and looks no more: `step` raised ZeroDivisionError: of nothing"
    ]
