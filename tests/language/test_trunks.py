"""Trunks in the language: what a site says of its line, and faults that need one."""

from __future__ import annotations

import pytest

from twinstorm.scenarios.language.errors import ScenarioErrors
from twinstorm.scenarios.language.model import Trunk
from twinstorm.scenarios.language.reader import read

FILE = """storm: 1
name: lines
story: Two sites, one line.
duration: 10 min
fleet:
  devices: 20
  sites: {oslo: {trunk: {rate: 60 kB/s, queue: 1 MB}}, bergen: {}}
  segments: {motors: {kind: motor, share: 100 %}}
steps:
  - {name: narrow, at: 1 min, fault: trunk-squeeze, target: site=oslo, lasts: 1 min, with: {to: 1 kB/s}}
expect:
  - {ledger: delivered, at_least: 1}
"""


def test_a_line_is_read_with_defaults() -> None:
    oslo, bergen = read(FILE, "lines.storm.yaml").fleet.sites
    assert oslo.trunk == Trunk(60e3, 1e6, 10_000)
    assert bergen.trunk is None


@pytest.mark.parametrize(
    ("old", "new", "code", "said"),
    [
        ("60 kB/s", "60 kB", "S208", "is not a size per time"),
        ("60 kB/s", "0 kB/s", "S210", "`0 kB/s` is less than 1 B/s"),
        ("rate: 60 kB/s, ", "", "S105", "the key `rate` is missing"),
        ("queue: 1 MB", "latency: 1 min", "S210", "is more than 10 s"),
        ("queue: 1 MB", "quue: 1 MB", "S102", "unknown key `quue`"),
        ("target: site=oslo", "target: site=bergen", "S309", "no targeted device stands on a site with a trunk"),
        ("trunk-squeeze", "trunk-cut", "S102", "unknown key `to`"),
        ("to: 1 kB/s", "to: 0 kB/s", "S309", "nothing at all gets through at a rate of 0"),
    ],
)
def test_what_does_not_fit_is_told(old: str, new: str, code: str, said: str) -> None:
    assert old in FILE
    with pytest.raises(ScenarioErrors) as told:
        read(FILE.replace(old, new), "lines.storm.yaml")
    assert [problem.code for problem in told.value.problems] == [code]
    assert said in told.value.problems[0].message
