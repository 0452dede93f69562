"""The core's registry is out of date: what becomes of devices that it lacks, and of those that it lists in vain."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.campaigns import campaign
from twinstorm.scenarios.engine.engine import Engine
from twinstorm.scenarios.engine.outcome import result_of
from twinstorm.scenarios.engine.run import RunOptions, build
from twinstorm.scenarios.engine.truth import labels
from twinstorm.scenarios.language.reader import read
from twinstorm.scenarios.result import RunResult
from twinstorm.twin.eventlog import Code
from twinstorm.twin.flow import SECOND_US, Observed

STORM = """storm: 1
name: stale
story: The registry lags behind the fleet.
duration: {minutes} min
fleet:
  devices: 40
  sites: [a, b]
  qos: {qos}
  segments:
    motors: {{kind: motor, share: 50 %, every: 1 s, keep_alive: 20 s}}
    halls: {{kind: environment, share: 50 %, every: 10 s, keep_alive: 20 s}}
steps:
{steps}
expect:
  - {{ledger: delivered, at_least: 1}}
"""
MISSING = "{name: new, at: 60 s, fault: stale-registry, target: site=a, lasts: 30 s}"
RETIRED = "{name: gone, at: 60 s, fault: stale-registry, target: site=a, lasts: 60 s, with: {entries: retired}}"
MARK = "{name: nothing, at: 60 s, mark: Nothing.}"


def engine(*steps: str, minutes: int = 4, qos: int = 1, armed: frozenset[str] | None = None) -> Engine:
    lines = "\n".join(f"  - {step}" for step in steps)
    written = STORM.format(steps=lines, minutes=minutes, qos=qos)
    made = build(read(written, "stale.storm.yaml"), RunOptions(seed=3))
    made.armed = armed
    return made


@cache
def played(*steps: str) -> Engine:
    made = engine(*steps)
    made.play()
    assert made.ledger().difference == 0
    return made


def told(made: Engine) -> RunResult:
    return result_of(made, speed=0.0, wall_s=0.0, repeat="")


def at_a(made: Engine) -> np.ndarray:
    return np.flatnonzero(made.registry.site == made.registry.sites.index("a"))


# --- entries that are missing -----------------------------------------------------------------------------------------


def test_readings_of_devices_that_the_registry_lacks_are_dead_letters_and_named_in_the_ledger() -> None:
    made = played(MISSING)
    # Ten motors at 1 Hz for 30 s, ten sensors three times.
    assert told(made).faults[0].evidence == {"readings_refused": 10 * 30 + 10 * 3}
    assert dict(made.core.dead_letters) == {"unknown device": 330}
    assert made.ledger().lost == {"dead_letter": 330}
    assert made.core.newest_dead_letters[-1].source.startswith("a/")


def test_the_devices_notice_nothing_and_the_others_neither() -> None:
    made, plain = played(MISSING), played(MARK)
    story = (Code.FAULT_START, Code.FAULT_END, Code.MARK)
    lived, ought = (
        {code: n for code, n in each.wiring.log.counts.items() if code not in story} for each in (made, plain)
    )
    assert lived == ought
    assert made.ledger().produced == plain.ledger().produced
    others = np.setdiff1d(np.arange(40), at_a(made))
    assert (made.core.accepted_per_device[others] == plain.core.accepted_per_device[others]).all()


def test_an_unarmed_one_leaves_no_evidence() -> None:
    unarmed = engine(MISSING, armed=frozenset())
    unarmed.play()
    assert not told(unarmed).faults[0].bit
    assert told(unarmed).verdict == "inconclusive"
    assert (unarmed.core.accepted_per_device == played(MARK).core.accepted_per_device).all()


def test_meanwhile_they_are_unknown_count_in_no_indicator_and_nobody_raises_an_alarm() -> None:
    made = engine(MISSING)
    made.advance(80 * SECOND_US)
    mine = at_a(made)
    states = made.core.observed(made.now_us)
    assert (states[mine] == Observed.UNKNOWN).all()
    assert (np.delete(states, mine) == Observed.ONLINE).all()
    everybody, only = np.ones(40, np.bool_), np.zeros(40, np.bool_)
    only[mine] = True
    assert made.core.sli("connectivity", None, 10 * SECOND_US) == 1.0
    assert made.core.sli("connectivity", everybody, 10 * SECOND_US) == 1.0
    assert made.core.sli("connectivity", only, 10 * SECOND_US) is None, "nobody whom the registry lists: no data"
    assert not made.core.alarms


def test_once_entered_they_are_known_with_the_sessions_that_they_had_all_the_time() -> None:
    made = engine(MISSING)
    made.advance(92 * SECOND_US)
    assert made.core.session_live.all()
    assert made.core.sli("connectivity", None, SECOND_US) == 1.0
    made.play()
    assert (made.core.observed(made.now_us) == Observed.ONLINE).all()
    assert made.core.reboots == 0
    assert not made.core.alarms


def test_boots_and_sessions_that_nobody_saw_are_no_reboots_and_no_alarms() -> None:
    crash = "{name: crash, at: 65 s, fault: device-crash, target: site=a}"
    made = played(MISSING, crash)
    assert made.core.reboots == 0
    assert (made.core.boot == 1 + (made.registry.site == made.registry.sites.index("a"))).all()
    assert made.core.session_live.all()
    assert played(MARK, crash).core.reboots == 20, "who is registered reboots in public"


def test_a_device_that_lost_its_session_meanwhile_is_known_to_have_none() -> None:
    made = engine(MISSING, "{name: cut, at: 62 s, fault: power-outage, target: site=a kind=motor, lasts: 2 min}")
    made.advance(100 * SECOND_US)
    motors = made.registry.kind == made.registry.kinds.index("motor")
    off = motors & (made.registry.site == made.registry.sites.index("a"))
    assert not made.core.session_live[off].any()
    assert made.core.session_live[~off].all()


def test_of_two_that_overlap_the_last_to_end_enters_the_device() -> None:
    longer = "{name: two, at: 70 s, fault: stale-registry, target: site=a kind=motor, lasts: 40 s}"
    made = played(MISSING, longer)
    # Sensors until 90 s; motors until 110 s, the first twenty of the second's own seconds refused for both.
    assert made.ledger().lost == {"dead_letter": 10 * 50 + 10 * 3}
    assert [each.evidence["readings_refused"] for each in told(made).faults] == [330, 10 * 40]


def test_a_ramp_takes_them_off_one_by_one() -> None:
    made = played(MISSING.replace("lasts", "ramp: 30 s, lasts"))
    assert 0.3 * 330 < made.ledger().lost["dead_letter"] < 0.7 * 330
    assert told(made).faults[0].evidence["readings_refused"] == made.ledger().lost["dead_letter"]


# --- entries that are wrong ------------------------------------------------------------------------------------------

SITE, KIND = (MISSING.replace("lasts: 30 s", f"lasts: 30 s, with: {{entries: {entry}}}") for entry in ("site", "kind"))


@pytest.mark.parametrize(("step", "reason"), [(SITE, "unknown device"), (KIND, "device is of another kind")])
def test_a_wrong_entry_costs_the_readings_of_its_device_under_its_own_reason(step: str, reason: str) -> None:
    made = played(step)
    assert told(made).faults[0].evidence == {"readings_refused": 330}
    assert dict(made.core.dead_letters) == {reason: 330}
    assert made.ledger().lost == {"dead_letter": 330}
    assert made.core.reboots == 0
    assert made.core.session_live.all(), "put right, they are known with their sessions"


def test_an_entry_of_another_site_never_speaks_and_one_of_another_kind_is_connected_and_grows_stale() -> None:
    site, kind = engine(SITE), engine(KIND)
    for made in (site, kind):
        made.advance(88 * SECOND_US)
        motors = at_a(made)[made.registry.kind[at_a(made)] == made.registry.kinds.index("motor")]
        assert (made.core.observed(made.now_us)[motors] != Observed.ONLINE).all(), "nothing new of them"
    assert site.core.sli("connectivity", None, 10 * SECOND_US) == 0.5, "they count, unlike those that are missing"
    assert kind.core.sli("connectivity", None, 10 * SECOND_US) == 1.0


def test_what_is_missing_and_of_another_kind_is_missing() -> None:
    both = KIND.replace("new", "two").replace("at: 60 s", "at: 70 s")
    made = played(MISSING, both)
    assert dict(made.core.dead_letters) == {"unknown device": 330, "device is of another kind": 110}
    assert [each.evidence["readings_refused"] for each in told(made).faults] == [330, 330]


# --- entries that are left over ---------------------------------------------------------------------------------------


def test_retired_devices_are_listed_in_vain_until_they_are_struck_off() -> None:
    made = engine(RETIRED)
    made.advance(115 * SECOND_US)
    mine = at_a(made)
    assert (made.core.observed(made.now_us)[mine] == Observed.OFFLINE).all()
    assert made.core.sli("connectivity", None, 5 * SECOND_US) == 0.5
    made.play()
    assert (made.core.observed(made.now_us)[mine] == Observed.UNKNOWN).all()
    assert made.core.sli("connectivity", None, 60 * SECOND_US) == 1.0
    assert not made.wiring.online()[mine].any(), "they never come back"
    result = told(made)
    assert result.faults[0].evidence == {"devices_retired": 20}
    silence = [alarm for alarm in result.alarms if alarm.name == "silence"]
    assert [alarm.fault for alarm in silence] == ["gone"], "the truth knows what the silence is about"
    assert all(alarm.resolved_us is not None for alarm in made.core.alarms), "who is struck off keeps no alarm open"
    assert labels(made)[0].device.tolist() == mine.tolist()


def test_what_retired_devices_held_is_lost_with_them_under_its_own_name() -> None:
    cut = "{name: cut, at: 40 s, fault: partition, target: site=a, lasts: 2 min}"
    made = played(RETIRED, cut)
    # Ten motors hold twenty readings each, ten sensors two.
    assert made.ledger().lost == {"retired": 10 * 20 + 10 * 2}


def test_nobody_is_retired_twice() -> None:
    again = RETIRED.replace("gone", "again").replace("at: 60 s", "at: 70 s")
    result = told(played(RETIRED, again))
    assert [each.bit for each in result.faults] == [True, False]
    assert result.verdict == "inconclusive"


# --- whatever happens -------------------------------------------------------------------------------------------------


def test_a_run_that_is_saved_in_the_midst_of_it_goes_on_alike() -> None:
    whole = played(MISSING, RETIRED.replace("site=a", "site=b"))
    first = engine(MISSING, RETIRED.replace("site=a", "site=b"))
    first.advance(75 * SECOND_US)
    rest = Engine.load(first.save())
    rest.play()
    assert rest.wiring.log.digest() == whole.wiring.log.digest()
    assert [each.evidence for each in told(rest).faults] == [each.evidence for each in told(whole).faults]


OTHERS = (
    "partition, with: {direction: down}",
    "partition",
    "power-outage",
    "device-crash",
    "payload-duplicate, with: {share: 100 %, after: 5 s}",
    "payload-corruption, with: {share: 50 %}",
    "late-flood, with: {hold: 20 s}",
    "broker-outage",
    "core-outage",
)


@campaign(12, nightly=500)
@given(
    spans=st.lists(
        st.tuples(st.integers(1, 90), st.integers(1, 60), st.sampled_from(["missing", "retired", "site", "kind"])),
        min_size=1,
        max_size=3,
    ),
    others=st.lists(st.tuples(st.integers(1, 90), st.integers(1, 60), st.sampled_from(OTHERS)), max_size=3),
    qos=st.sampled_from([0, 1]),
)
def test_the_ledger_closes_whatever_overlaps(
    spans: list[tuple[int, int, str]], others: list[tuple[int, int, str]], qos: int
) -> None:
    steps = [
        f"{{name: s{number}, at: {at} s, fault: stale-registry, lasts: {lasts} s, target: all share=50 %,"
        f" with: {{entries: {entries}}}}}"
        for number, (at, lasts, entries) in enumerate(spans)
    ]
    for number, (at, lasts, fault) in enumerate(others):
        name, _, rest = fault.partition(", ")
        target = "" if name in ("broker-outage", "core-outage") else ", target: site=a"
        steps.append(f"{{name: o{number}, at: {at} s, lasts: {lasts} s, fault: {name}{target}, {rest}}}")
    made = engine(*steps, minutes=3, qos=qos)
    made.play()
    assert made.ledger().difference == 0


@pytest.mark.parametrize("entries", ["new", "Missing"])
def test_other_entries_are_an_error_that_names_all(entries: str) -> None:
    with pytest.raises(Exception, match="missing, site, kind, retired"):
        engine(MISSING.replace("lasts: 30 s", f"lasts: 30 s, with: {{entries: {entries}}}"))


def test_a_damaged_message_that_is_repeated_in_a_calm_stretch_is_a_dead_letter_all_the_same() -> None:
    """Found by the test above: what nobody could read was dropped where a stretch was closed second by second."""
    everything = "lasts: 1 s, target: site=a, with: {share: 100 %"
    made = engine(
        f"{{name: again, at: 61 s, fault: payload-duplicate, {everything}, after: 5 s}}}}",
        f"{{name: damaged, at: 61 s, fault: payload-corruption, {everything}, bits: 400}}}}",
        minutes=3,
    )
    made.play()
    assert sum(made.core.dead_letters.values()) > 0
    assert made.ledger().difference == 0
