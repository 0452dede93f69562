"""Devices that report another configuration than they should have: a ticket that names what they share, both clocks."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from twinstorm.scenarios.engine.engine import Engine
from twinstorm.scenarios.engine.outcome import result_of
from twinstorm.scenarios.engine.run import Run, RunOptions, build
from twinstorm.scenarios.language.errors import ScenarioErrors
from twinstorm.scenarios.language.reader import load, read
from twinstorm.twin.flow import SECOND_US, Severity

STORM = """storm: 1
name: drift
story: A technician sets one site up as it left the factory.
duration: 8 min
warm_up: 1 min
fleet:
  devices: 60
  sites: [oslo, bergen, hamar]
{more}  segments: {{motors: {{kind: motor, share: 100 %, every: 1 s, configuration: 7}}}}
steps:
{steps}
expect:
  - {{ledger: delivered, at_least: 1}}
"""
VISIT = "{name: visit, at: 2 min, fault: wrong-configuration, target: site=oslo, lasts: 3 min}"


def engine(*steps: str, more: str = "") -> Engine:
    lines = "\n".join(f"  - {step}" for step in steps)
    return build(read(STORM.format(steps=lines, more=more), "drift.storm.yaml"), RunOptions(seed=3))


def raised(made: Engine) -> list[tuple[str, str, Severity, int, int | None]]:
    return [
        (
            each.name,
            each.group,
            each.severity,
            each.at_us // SECOND_US,
            each.resolved_us and each.resolved_us // SECOND_US,
        )
        for each in made.core.alarms
    ]


def test_a_site_that_drifts_is_one_ticket_that_names_it_and_its_fault() -> None:
    made = engine(VISIT)
    made.play()
    ((name, group, severity, at_s, resolved_s),) = raised(made)
    assert (name, group, severity) == ("config-drift", "site=oslo", Severity.TICKET)
    assert 180 <= at_s <= 182
    assert resolved_s is not None
    assert 359 <= resolved_s <= 363
    (fault,) = result_of(made, speed=0.0, wall_s=0.0, repeat="").faults
    assert fault.evidence == {"devices_misconfigured": 20}


@pytest.mark.parametrize(
    "steps",
    [
        (VISIT.replace("3 min", "50 s"),),
        (VISIT.replace("lasts: 3 min", "lasts: 3 min, with: {to: 7}"),),
        ("{name: nothing, at: 60 s, mark: Nothing.}",),
    ],
)
def test_what_passes_within_a_minute_or_is_right_raises_nothing(steps: tuple[str, ...]) -> None:
    made = engine(*steps)
    made.play()
    assert raised(made) == []


def test_who_is_offline_tells_it_with_the_birth_of_the_next_session() -> None:
    dark = "{name: dark, at: 90 s, fault: power-outage, target: site=oslo, lasts: 2 min}"
    made = engine(dark, VISIT)
    made.play()
    (drift,) = [each for each in raised(made) if each[0] == "config-drift"]
    assert drift[1] == "site=oslo"
    assert drift[3] >= 210 + 60


def test_whose_session_survives_a_cut_tells_it_when_the_link_is_whole_again() -> None:
    # Twenty seconds: nobody gives its session up, and no birth comes of itself.
    made = engine("{name: cut, at: 110 s, fault: partition, target: site=oslo, lasts: 20 s}", VISIT)
    made.play()
    (drift,) = [each for each in raised(made) if each[0] == "config-drift"]
    assert drift[1] == "site=oslo"
    assert 130 + 60 <= drift[3] <= 130 + 62


def test_a_snapshot_knows_what_was_reported() -> None:
    whole, parted = engine(VISIT), engine(VISIT)
    whole.play()
    parted.advance(150 * SECOND_US)
    parted = pickle.loads(pickle.dumps(parted))
    parted.play()
    assert raised(parted) == raised(whole)


def test_devices_that_tell_no_configuration_cannot_have_a_wrong_one() -> None:
    written = STORM.format(steps=f"  - {VISIT}", more="").replace(", configuration: 7", "")
    with pytest.raises(ScenarioErrors, match="configuration: 7"):
        read(written, "drift.storm.yaml")


@pytest.mark.parametrize("wrong", ["configuration: seven", "configuration: 0", "configuraton: 7"])
def test_a_typo_is_told_with_what_is_allowed(wrong: str) -> None:
    written = STORM.format(steps=f"  - {VISIT}", more="").replace("configuration: 7", wrong)
    with pytest.raises(ScenarioErrors, match="configuration"):
        read(written, "drift.storm.yaml")


LIVE = """storm: 1
name: drift
story: Half of a small fleet is set up anew.
duration: 40 s
warm_up: 2 s
fleet:
  devices: 12
  sites: [oslo, bergen]
  segments: {motors: {kind: motor, share: 100 %, every: 1 s, configuration: 7}}
detectors: {config-drift: {hold: 5 s}}
steps:
  - {name: visit, at: 6 s, fault: wrong-configuration, target: site=oslo, with: {to: 9}}
expect:
  - {alarm: config-drift, after: visit, within: 20 s, target: site=oslo}
"""


def test_births_tell_it_over_real_sockets(tmp_path: Path) -> None:
    path = tmp_path / "drift.storm.yaml"
    path.write_text(LIVE, encoding="utf-8")
    result = Run(load(str(path)), RunOptions(seed=5, live=True, speed=4.0)).execute()
    assert result.verdict == "held", result.expectations
    assert result.faults[0].evidence == {"devices_misconfigured": 6}
