"""The storm of the library as text to change, and a reader for the changed text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.resources import files

import pytest

from twinstorm.scenarios.language.errors import Problem, ScenarioErrors
from twinstorm.scenarios.language.model import Scenario
from twinstorm.scenarios.language.reader import read

Change = tuple[str, str]


@pytest.fixture(scope="session")
def storm_text() -> str:
    """The file that every other one resembles."""
    return (files("twinstorm.scenarios.library") / "reboot-storm.storm.yaml").read_text()


@pytest.fixture(scope="session")
def changed(storm_text: str) -> Callable[..., str]:
    """The storm's text with each old text replaced by a new one, once; an old text that is not there fails the test."""

    def change(*changes: Change) -> str:
        text = storm_text
        for old, new in changes:
            assert old in text, old
            text = text.replace(old, new, 1)
        return text

    return change


@pytest.fixture(scope="session")
def storm(changed: Callable[..., str]) -> Callable[..., Scenario]:
    """Reads the changed storm."""

    def read_storm(*changes: Change, settings: Sequence[str] = (), devices: int | None = None) -> Scenario:
        return read(changed(*changes), "reboot-storm.storm.yaml", settings, devices)

    return read_storm


@pytest.fixture(scope="session")
def problems_of(storm: Callable[..., Scenario]) -> Callable[..., tuple[Problem, ...]]:
    """What is wrong with the changed storm; nothing wrong fails the test."""

    def problems(*changes: Change, settings: Sequence[str] = (), devices: int | None = None) -> tuple[Problem, ...]:
        with pytest.raises(ScenarioErrors) as raised:
            storm(*changes, settings=settings, devices=devices)
        return raised.value.problems

    return problems


@pytest.fixture(scope="session")
def problem_of(problems_of: Callable[..., tuple[Problem, ...]]) -> Callable[..., Problem]:
    """The one thing that is wrong with the changed storm."""

    def problem(*changes: Change, settings: Sequence[str] = (), devices: int | None = None) -> Problem:
        found = problems_of(*changes, settings=settings, devices=devices)
        assert len(found) == 1, [one.render() for one in found]
        return found[0]

    return problem
