"""`joins` and `correlations` in the language: defaults, what does not go together, what expressions ask."""

from __future__ import annotations

import pytest

from twinstorm.scenarios.language.errors import ScenarioErrors
from twinstorm.scenarios.language.expressions import parse
from twinstorm.scenarios.language.model import Correlation, Join
from twinstorm.scenarios.language.reader import read
from twinstorm.scenarios.language.units import Kind

FILE = """storm: 1
name: both
story: Motors and the rooms where they stand.
duration: 10 min
fleet:
  devices: 20
  segments:
    motors: {kind: motor, share: 50 %}
    rooms: {kind: environment, share: 50 %}
windows:
  heat: {of: motor.winding_temperature_c, by: site, every: 10 s}
  rooms: {of: environment.temperature_c, by: site, every: 10 s}
  slow: {of: motor.current_a, by: site, every: 1 min}
  spells: {of: motor.current_a, by: site, gap: 1 min}
  each: {of: motor.current_a, by: device, every: 10 s}
  patient: {of: environment.temperature_c, by: site, every: 10 s, lateness: 20 s}
joins:
  warm: {left: motor.winding_temperature_c, right: environment.temperature_c, above: 40}
correlations:
  together: {left: heat, right: rooms}
expect:
  - {no_alarm: warm}
  - never: correlation(together, least) < -2
  - never: difference(warm)[site=site-1] > 1000
  - eventually: pairs(warm) > 10
"""


def test_defaults_are_half_a_minute_either_way_and_thirty_windows() -> None:
    found = read(FILE, "both.storm.yaml")
    left, right = ("motor", "winding_temperature_c"), ("environment", "temperature_c")
    assert found.joins == (Join("warm", left, right, "C", "site", 30_000_000, 30_000_000, 10_000_000, 40.0),)
    assert found.correlations == (Correlation("together", "heat", "rooms", 30),)


def test_their_figures_are_numbers_and_pairs_a_count() -> None:
    assert parse("correlation(a)", wanted=None).kind is Kind.NUMBER
    assert parse("difference(a, least)[site=1]", wanted=None).kind is Kind.NUMBER
    assert parse("rate(pairs(a), 1 min)", wanted=None).kind is Kind.RATE


@pytest.mark.parametrize(
    ("old", "new", "code", "said"),
    [
        ("right: environment.temperature_c", "right: motor.current_a", "S212", "a join is of two kinds"),
        ("right: environment.temperature_c", "right: environment.humidity_pct", "S212", "they have no difference"),
        ("right: environment.temperature_c", "right: environment.temp", "S309", "no channel `temp`"),
        ("right: environment.temperature_c", "right: pump.flow_l_min", "S309", "no machine of the fleet is `pump`"),
        ("above: 40", "by: device", "S204", "unknown level `device`"),
        ("above: 40", "by: gateway", "S212", "no device is behind a gateway"),
        ("above: 40", "above: much", "S207", "much"),
        ("  warm:", "  silence:", "S204", "cannot be called `silence`"),
        (", above: 40", "", "S104", "unknown alarm `warm`"),
        ("right: rooms", "right: room", "S302", "there is no window `room`"),
        ("right: rooms", "right: heat", "S212", "goes together with itself"),
        ("right: rooms", "right: spells", "S212", "sessions do not end together"),
        ("right: rooms", "right: slow", "S212", "do not end together"),
        ("right: rooms", "right: each", "S212", "no keys in common"),
        ("right: rooms", "right: patient", "S212", "are not closed at the same time"),
        ("right: rooms", "right: rooms, over: 2", "S210", "less than 3"),
        ("correlation(together", "correlation(togehter", "S302", "there is no correlation `togehter`"),
        ("difference(warm)", "difference(wram)", "S302", "there is no join `wram`"),
        ("pairs(warm)", "pairs(warm)[site=1]", "S502", "is of the whole fleet"),
    ],
)
def test_what_makes_no_sense_is_told(old: str, new: str, code: str, said: str) -> None:
    assert old in FILE
    with pytest.raises(ScenarioErrors) as told:
        read(FILE.replace(old, new), "both.storm.yaml")
    found = {problem.code: problem.message for problem in told.value.problems}
    assert code in found, found
    assert said in found[code]
