"""Plug-ins of strangers that do not keep to their contract: named, explained, recorded, and never believed."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Ran
from tests.strangers import FAULT, KIND, WATCH, Install
from twinstorm.scenarios.record.read import open_run

BELTS = """storm: 1
name: belts
story: Belts run.
duration: 3 min
fleet:
  devices: 20
  sites: [hall-1, hall-2]
  segments:
    belts: {kind: KIND, share: 100 %, every: 10 s}
steps:
  - {name: bang, at: 1 min, fault: FAULT, target: site=hall-1, lasts: 30 s}
expect:
  - eventually: connectivity > 50 %
"""
LINE = 9
CHARGE_POINT = Path(__file__).resolve().parents[2] / "examples/plant_kinds/plant_kinds/charge_point.py"


def belts(folder: Path, kind: str = "belt", fault: str = "power-outage", more: str = "") -> str:
    text = BELTS.replace("KIND", kind).replace("FAULT", fault).replace("every: 10 s", f"every: 10 s{more}")
    (folder / "belts.storm.yaml").write_text(text)
    return "belts.storm.yaml"


Command = Callable[..., Ran]


def test_a_kind_and_a_fault_of_a_stranger_play_as_ours_do(command: Command, install: Install, tmp_path: Path) -> None:
    module = install(KIND + FAULT, {"belt": "Belt"}, {"blink": "Blink"})
    ran = command("run", belts(tmp_path, fault="blink"), "--json")
    assert ran.code == 0, ran.err
    (fault,) = ran.json()["faults"]
    assert fault["evidence"] == {"devices_booted": 10}
    assert "belt" in command("list", "machines").out
    assert "conveyor belt: speed" in command("list", "machines").out
    assert module not in ran.err
    assert command("explain", "belt").out.startswith("belt: conveyor belt: speed")
    assert command("check", belts(tmp_path, more=", machine: {rated: 1 m/s .. 2 m/s}")).code == 0


FLAWS = {
    "no channels": (
        'channels = (Channel("speed_m_per_s", "m/s", 0.0, 5.0, 0.001), Channel("load_kg", "kg", 0.0, 60.0, 0.01))',
        "channels = ()",
        "it has 0 channels; allowed: 1 .. 256",
    ),
    "steps beyond 24 bits": ("60.0, 0.01", "60.0, 0.000001", "channel `load_kg` needs the steps 0 .. 60,000,000"),
    "steps finer than float32": (
        '"kg", 0.0, 60.0, 0.01',
        '"kg", 100_000.0, 100_060.0, 0.001, 100_000.0',
        "channel `load_kg` has the step 0.001: float32 cannot tell such steps apart",
    ),
    "a step of nothing": ("60.0, 0.01", "60.0, 0.0", "channel `load_kg` has the step 0.0"),
    "no range": ('"kg", 0.0, 60.0', '"kg", 60.0, 0.0', "channel `load_kg` reaches from 60.0 to 0.0: no range"),
    "zones that fall": (
        "60.0, 0.01",
        "60.0, 0.01, 0.0, (2.0, 1.0, 3.0)",
        "channel `load_kg` has the zones (2.0, 1.0, 3.0)",
    ),
    "a channel twice": ('"load_kg", "kg"', '"speed_m_per_s", "kg"', "`channels` names `speed_m_per_s` 2 times"),
    "another name": ('name = "belt"', 'name = "chain"', "installed as `belt` and calls itself `chain`"),
    "a failure that shows nowhere": (
        '("speed_m_per_s",)),)',
        '("torque_nm",)),)',
        "`slip` shows on `torque_nm`, which is none of speed_m_per_s, load_kg",
    ),
    "no step": ("def step(", "def stride(", "it has no `step`"),
    "a module that breaks": ("import numpy as np", "import nump", "ModuleNotFoundError: No module named 'nump'"),
    "a module that leaves": ("import numpy as np", "raise SystemExit(0)", "SystemExit: 0"),
    "a class that breaks": (
        "    def truth(",
        "    def __init__(self):\n        1 / 0\n    def truth(",
        "ZeroDivisionError",
    ),
}


@pytest.mark.parametrize("flaw", FLAWS)
def test_a_kind_that_says_what_cannot_be_is_an_error_of_the_line_that_names_it(
    command: Command, install: Install, tmp_path: Path, flaw: str
) -> None:
    old, new, said = FLAWS[flaw]
    assert old in KIND
    module = install(KIND.replace(old, new), {"belt": "Belt"})
    for words in (("check", belts(tmp_path)), ("run", belts(tmp_path)), ("run", belts(tmp_path), "--dry-run")):
        ran = command(*words)
        told = ran.out + ran.err
        assert ran.code == 2, told
        assert "error[S115]" in told
        assert f"machine kind `belt` ({module}:Belt, acme-plant 0.1) cannot be used: " in told
        assert said in told
        assert f"belts.storm.yaml:{LINE}:" in told
        assert "Traceback" not in told
    assert not (tmp_path / "runs").exists()
    assert command("run", "all-quiet", "--devices", "20", "--until", "4 min").code in (0, 5), "what is not used is fine"
    assert "cannot be used: " in command("list", "machines").out


DEEDS = {
    "raises in parameters": (
        'return {"rated_m_per_s": uniform(draws(0), 1.0, 2.0)}',
        "return {}[0]",
        "`parameters` raised KeyError: 0",
    ),
    "parameters of another type": (
        "uniform(draws(0), 1.0, 2.0)",
        "uniform(draws(0), 1.0, 2.0).astype(float)",
        "`parameters` gave float64 of shape (20,) for `rated_m_per_s`; float32 of shape (20,) is wanted",
    ),
    "parameters of another shape": (
        "uniform(draws(0), 1.0, 2.0)",
        "uniform(draws(0), 1.0, 2.0)[1:]",
        "`parameters` gave float32 of shape (19,) for `rated_m_per_s`",
    ),
    "parameters beyond their range": (
        "uniform(draws(0), 1.0, 2.0)",
        "uniform(draws(0), 7.0, 7.0)",
        "`parameters` drew 7 m/s for `rated_m_per_s`; allowed: 0.5 .. 4 m/s",
    ),
    "a parameter that is not there": (
        '{"rated_m_per_s": uniform',
        '{"rate": uniform',
        "`parameters` has no `rated_m_per_s`, which `settable` names",
    ),
    "raises in initial": ('parameters["rated_m_per_s"].copy()', "[].pop()", "`initial` raised IndexError"),
    "state that is a parameter": ('["rated_m_per_s"].copy()', '["rated_m_per_s"]', "as a view of the parameter"),
    "state that is no number": (
        'parameters["rated_m_per_s"].copy()',
        'parameters["rated_m_per_s"] * np.float32("nan")',
        "`initial` gave NaN for `speed_m_per_s`; allowed: finite numbers",
    ),
    "raises in step": ("out[1] = 10.0", "raise ValueError('no grease')", "`step` raised ValueError: no grease"),
    "leaves in step": ("out[1] = 10.0", "raise SystemExit(0)", "`step` raised SystemExit: 0"),
    "leaves in truth": ("return Truth(", "raise SystemExit(0)\n        return Truth(", "`truth` raised SystemExit: 0"),
    "writes NaN": (
        "out[1] = 10.0",
        "out[1] = np.where(noise[0] > 0, 10.0, np.nan)",
        "`step` measured NaN on channel `load_kg` of hall-1/belts-0002 at 0 s; allowed: 0 .. 60 kg",
    ),
    "writes infinity later": (
        "out[1] = 10.0",
        "out[1] = 10.0 if inputs.now_us < 60_000_000 else np.inf",
        "`step` measured inf kg on channel `load_kg` of hall-2/belts-0001 at 60 s; allowed: 0 .. 60 kg",
    ),
    "writes beyond the range": ("out[1] = 10.0", "out[1] = -1.0", "`step` measured -1 kg on channel `load_kg`"),
    "writes half of it": ("out[1] = 10.0", "pass", "`step` measured NaN on channel `load_kg`"),
    "writes another shape": ("out[1] = 10.0", "out[1] = np.ones(3)", "`step` raised ValueError: could not broadcast"),
    "changes a parameter": (
        "out[1] = 10.0",
        'out[1] = 10.0; parameters["rated_m_per_s"] += 1.0',
        "`step` changed the parameter `rated_m_per_s`: only the state may change",
    ),
    "puts another array into the state": (
        "out[1] = 10.0",
        'out[1] = 10.0; state["speed_m_per_s"] = out[0] + 1',
        "`step` put another array in the place of `speed_m_per_s`: change the state in place",
    ),
    "state runs away": (
        "out[1] = 10.0",
        'out[1] = 10.0; state["speed_m_per_s"] += np.float32("inf")',
        "`step` left inf in the state `speed_m_per_s`",
    ),
    "raises in truth": ("return Truth(", "return 1 / 0, Truth(", "`truth` raised ZeroDivisionError"),
    "truth of another shape": ("np.inf))", "np.inf)[:3])", "`truth` gave float32 of shape (3,) for `remaining_s`"),
    "health above its range": (
        "Truth(np.ones_like(",
        "Truth(np.float32(2) * np.ones_like(",
        "`truth` gave 2 for `health`; allowed: 0 .. 1",
    ),
}


@pytest.mark.parametrize("deed", DEEDS)
def test_a_kind_that_does_what_it_must_not_ends_the_run_and_is_named(
    command: Command, install: Install, tmp_path: Path, deed: str
) -> None:
    old, new, said = DEEDS[deed]
    assert old in KIND
    module = install(KIND.replace(old, new), {"belt": "Belt"})
    told = ends_as_a_bug_of_acme(command("run", belts(tmp_path)), tmp_path)
    assert f"machine kind `belt` ({module}:Belt, acme-plant 0.1): " in told
    assert said in told


LATE_DEEDS = {
    "changes a parameter": (
        'parameters["rated_m_per_s"] += np.float32(0.001)',
        "`step` changed the parameter `rated_m_per_s`: only the state may change",
    ),
    "puts an array of another shape into the state": (
        'state["speed_m_per_s"] = out[0, :3]',
        "`step` put another array in the place of `speed_m_per_s`: change the state in place",
    ),
}


@pytest.mark.parametrize("deed", LATE_DEEDS)
def test_what_a_kind_does_only_later_is_found_within_an_hour(
    command: Command, install: Install, tmp_path: Path, deed: str
) -> None:
    does, said = LATE_DEEDS[deed]
    late = f"out[1] = 10.0\n        if inputs.now_us > 60_000_000:\n            {does}"
    install(KIND.replace("out[1] = 10.0", late), {"belt": "Belt"})
    assert command("run", belts(tmp_path)).code == 0, "nobody looks so soon"
    told = ends_as_a_bug_of_acme(command("run", belts(tmp_path), "--set", "duration=65 min"), tmp_path)
    assert said in told


@pytest.mark.parametrize("value", ["inf", "nan"])
def test_a_state_that_runs_away_unseen_is_found_within_a_minute(
    command: Command, install: Install, tmp_path: Path, value: str
) -> None:
    """No channel shows it: the one that would is written before."""
    late = f'out[1] = 10.0\n        if inputs.now_us > 70_000_000:\n            state["speed_m_per_s"][7] = {value!r}'
    install(KIND.replace("out[1] = 10.0", late), {"belt": "Belt"})
    assert command("run", belts(tmp_path), "--set", "duration=75 s", "--set", "steps=[]").code in (0, 1, 3)
    told = ends_as_a_bug_of_acme(command("run", belts(tmp_path), "--set", "duration=135 s"), tmp_path)
    assert f"`step` left {'NaN' if value == 'nan' else value} in the state `speed_m_per_s`" in told


ANSWERS = {
    "has_news of another length": (
        'state["news"] > 0',
        '(state["news"] > 0)[1:]',
        "`has_news` gave bool of shape (",
    ),
    "has_news for nobody": ('state["news"] > 0', "np.zeros((), np.bool_)", "`has_news` gave bool of shape ();"),
    "has_news of another type": ('state["news"] > 0', 'state["news"]', "`has_news` gave int64 of shape ("),
    "ahead_us of another length": (
        'state["next_us"] - state["clock_us"]',
        'np.append(state["next_us"] - state["clock_us"], 1)',
        "`ahead_us` gave int64 of shape (21,); int64 of shape (20,) is wanted",
    ),
    "ahead_us of another type": (
        'state["next_us"] - state["clock_us"]',
        '(state["next_us"] - state["clock_us"]).astype(float)',
        "`ahead_us` gave float64 of shape (20,); int64 of shape (20,) is wanted",
    ),
    "nothing is ahead": (
        'state["next_us"] - state["clock_us"]',
        'np.zeros_like(state["next_us"])',
        "`ahead_us` gave 0 us; allowed: times above 0",
    ),
}


@pytest.mark.parametrize("answer", ANSWERS)
def test_an_event_kind_that_answers_for_another_number_of_machines_is_named(
    command: Command, install: Install, tmp_path: Path, answer: str
) -> None:
    old, new, said = ANSWERS[answer]
    kind = CHARGE_POINT.read_text(encoding="utf-8")
    assert old in kind
    module = install(kind.replace(old, new), {"charge-point": "ChargePoint"})
    told = ends_as_a_bug_of_acme(command("run", belts(tmp_path, "charge-point"), "--set", "duration=2 h"), tmp_path)
    assert f"machine kind `charge-point` ({module}:ChargePoint, acme-plant 0.1): " in told
    assert said in told


def ends_as_a_bug_of_acme(ran: Ran, folder: Path) -> str:
    """Look at exit code, output, trace and record. Returns what was told."""
    assert ran.code == 70, ran.out + ran.err
    assert "Traceback" not in ran.out + ran.err
    assert "This is a bug in acme-plant" in ran.err
    (trace,) = re.findall(r"The trace: (\S+)", ran.err)
    assert "Traceback" in (folder / trace).read_text()
    run = open_run("last", folder / "runs")
    assert run.result is None, "a run that a plug-in broke has no verdict"
    (said,) = re.findall(r"^error: (.*)$", ran.err, re.MULTILINE)
    assert run.about.stopped == said
    return ran.err


def test_values_of_machines_without_power_may_be_anything(command: Command, install: Install, tmp_path: Path) -> None:
    careless = "out[1] = 10.0\n        if inputs.running is not None:\n            out[1, ~inputs.running] = np.nan"
    install(KIND.replace("out[1] = 10.0", careless), {"belt": "Belt"})
    assert command("run", belts(tmp_path)).code == 0


def ahead(signature: str, body: str) -> str:
    """One more method before the first."""
    return f"    @classmethod\n    def {signature}:\n        {body}\n\n    @classmethod\n"


FAULT_DEEDS = {
    "raises in start": ("on.power_off(device, at_us)", "1 / 0", "`start` raised ZeroDivisionError: division by zero"),
    "leaves in start": ("on.power_off(device, at_us)", "raise SystemExit(0)", "`start` raised SystemExit: 0"),
    "raises in end": (
        "    @classmethod\n",
        ahead("end(cls, on, order, device, at_us)", "raise RuntimeError('too late')"),
        "`end` raised RuntimeError: too late",
    ),
    "raises in evidence": (
        "    @classmethod\n",
        ahead("evidence(cls, on, order)", "return order.nothing"),
        "`evidence` raised AttributeError: 'FaultOrder' object has no attribute 'nothing'",
    ),
    "evidence of another type": (
        "    @classmethod\n",
        ahead("evidence(cls, on, order)", "return 5"),
        "`evidence` returned int; an Evidence is wanted",
    ),
    "counts what cannot be": (
        "    @classmethod\n",
        ahead("evidence(cls, on, order)", "return __import__('types').SimpleNamespace(counts={'devices': 0.5})"),
        "`evidence` counted 0.5 for 'devices'; allowed: a name, and a whole number from 0",
    ),
}


@pytest.mark.parametrize("deed", FAULT_DEEDS)
def test_a_fault_that_does_what_it_must_not_ends_the_run_and_is_named(
    command: Command, install: Install, tmp_path: Path, deed: str
) -> None:
    old, new, said = FAULT_DEEDS[deed]
    assert old in FAULT
    module = install(FAULT.replace(old, new, 1), faults={"blink": "Blink"})
    told = ends_as_a_bug_of_acme(command("run", belts(tmp_path, "motor", "blink")), tmp_path)
    assert f"fault `blink` ({module}:Blink, acme-plant 0.1): " in told
    assert said in told


FAULT_FLAWS = {
    "raises in misfit": (
        "    @classmethod\n",
        ahead("misfit(cls, kinds, settings)", "return kinds()[7]"),
        "`misfit` raised IndexError: list index out of range",
    ),
    "is no fault": ("class Blink(Fault)", "class Blink", "it is no subclass of"),
    "another name": ('name = "blink"', 'name = "wink"', "installed as `blink` and calls itself `wink`"),
    "an unknown clock": ("    name =", "    clocks = frozenset({'lunar'})\n    name =", "`clocks` are ['lunar']"),
    "a setting of no kind": (
        "    name =",
        "    settings = (Setting('x', 'colour', '', ''),)\n    name =",
        "no `Setting`",
    ),
    "a module that breaks": ("from twinstorm.scenarios.faults.base", "from nowhere", "No module named 'nowhere'"),
}


@pytest.mark.parametrize("flaw", FAULT_FLAWS)
def test_a_fault_that_cannot_be_used_is_an_error_of_the_line_that_names_it(
    command: Command, install: Install, tmp_path: Path, flaw: str
) -> None:
    old, new, said = FAULT_FLAWS[flaw]
    assert old in FAULT
    install(FAULT.replace(old, new, 1), faults={"blink": "Blink"})
    ran = command("check", belts(tmp_path, "motor", "blink"))
    assert ran.code == 2
    assert "error[S115]: fault `blink` (" in ran.out
    assert said in ran.out
    assert "Traceback" not in ran.out + ran.err
    assert command("check", belts(tmp_path, "motor")).code == 0, "what is not used is fine"
    assert command("list", "faults").code == 0
    assert command("schema").code == 0


def test_a_name_that_two_distributions_offer_is_nobodys(command: Command, install: Install, tmp_path: Path) -> None:
    install(KIND.replace('"belt"', '"motor"'), {"motor": "Belt"})
    ran = command("check", belts(tmp_path, "motor"))
    assert ran.code == 2
    assert "offered by " in ran.out
    assert "acme-plant 0.1" in ran.out
    assert "twinstorm.twin.machines.motor:Motor" in ran.out
    assert "uninstall one of them" in ran.out


BROKEN = "import acme_engine\n" + WATCH
"""Its module cannot be imported."""
SAID = "ModuleNotFoundError: No module named 'acme_engine'"
QUIET = ("run", "all-quiet", "--devices", "20", "--until", "4 min")


def test_a_detector_of_a_stranger_looks_as_ours_do(command: Command, install: Install) -> None:
    install(WATCH, others={"twinstorm.detectors": {"acme-watch": "Watch"}})
    ran = command(*QUIET, "--json")
    assert ran.code == 0, ran.err
    assert not [note for note in ran.json()["notes"] if "acme" in note]
    assert "whatever Acme is afraid of" in command("list", "detectors").out


@pytest.mark.parametrize("source", [BROKEN, WATCH.replace("self.policy = ", "import acme_engine; self.policy = ")])
def test_a_detector_that_looks_unasked_and_cannot_be_used_is_an_incident_and_the_run_goes_on(
    command: Command, install: Install, source: str
) -> None:
    install(source, others={"twinstorm.detectors": {"acme-watch": "Watch"}})
    ran = command(*QUIET, "--json")
    assert ran.code == 0, ran.err
    told = ran.json()
    assert told["verdict"] == "held"
    (incident,) = told["incidents"]
    assert incident["title"].startswith("detector acme-watch broke and looks no more: ")
    assert f"{SAID} (it comes with acme-plant)" in incident["title"]
    (note,) = [note for note in told["notes"] if "acme" in note]
    assert SAID in note
    assert "silence" in command("list", "detectors").out
    assert command("check", "stuck-sensor").code == 0


def test_a_detector_whose_default_cannot_be_is_an_incident_and_the_run_goes_on(
    command: Command, install: Install
) -> None:
    source = WATCH.replace("options = ()", "options = (Option('hold', 'count', 'abc', 'x'),)").replace(
        "class Watch", "from twinstorm.detectors.options import Option\n\n\nclass Watch"
    )
    assert "abc" in source
    install(source, others={"twinstorm.detectors": {"acme-watch": "Watch"}})
    ran = command(*QUIET, "--json")
    assert ran.code == 0, ran.err
    (incident,) = ran.json()["incidents"]
    assert "acme-watch broke and looks no more: " in incident["title"]
    assert "abc" in incident["title"]


@pytest.mark.parametrize("group", ["twinstorm.requested_detectors", "twinstorm.value_detectors"])
def test_a_detector_that_cannot_be_loaded_breaks_only_what_names_it(
    command: Command, install: Install, tmp_path: Path, group: str
) -> None:
    module = install(BROKEN, others={group: {"acme-watch": "Watch"}})
    ran = command(*QUIET)
    assert ran.code == 0, ran.err
    assert "acme" not in ran.out + ran.err
    assert command("check", "stuck-sensor").code == 0
    (tmp_path / "table.csv").write_text("time,flow\n1,2\n2,3\n")
    assert command("detect", "table.csv", "--detector", "band").code == 0
    listed = command("list", "detectors")
    assert listed.code == 0
    assert f"cannot be used: it cannot be loaded: {SAID}" in listed.out
    assert SAID in command("explain", "acme-watch").out
    for written in ("detectors: [silence, acme-watch]", "detectors: {silence: {}, acme-watch: {hold: 5 s}}"):
        (tmp_path / "belts.storm.yaml").write_text(Path(belts(tmp_path, "motor")).read_text() + written + "\n")
        for words in (("check", "belts.storm.yaml"), ("run", "belts.storm.yaml")):
            ran = command(*words)
            told = ran.out + ran.err
            assert ran.code == 2, told
            assert told.count("error[S115]") == 1
            assert f"`acme-watch` ({module}:Watch, acme-plant 0.1) cannot be used: it cannot be loaded: {SAID}" in told
            assert "tell those who make `acme-plant`" in told


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (WATCH, "it has no `step`, `fleet_options`, `missing`, `contradiction`"),
        (BROKEN, SAID),
        (
            WATCH.replace('"acme-watch"', '"watch"') + "\n    step = fleet_options = missing = contradiction = None\n",
            "calls itself `watch`",
        ),
    ],
)
def test_a_detector_on_values_that_cannot_be_used_is_an_error_of_detect_that_names_it(
    command: Command, install: Install, tmp_path: Path, source: str, said: str
) -> None:
    module = install(source, others={"twinstorm.value_detectors": {"acme-watch": "Watch"}})
    (tmp_path / "table.csv").write_text("time,flow\n1,2\n2,3\n")
    ran = command("detect", "table.csv", "--detector", "acme-watch")
    assert ran.code == 2, ran.err
    assert f"detector on values `acme-watch` ({module}:Watch, acme-plant 0.1)" in ran.err
    assert said in ran.err


def test_a_detector_that_is_named_and_cannot_be_made_ends_the_run_as_its_own_bug(
    command: Command, install: Install, tmp_path: Path
) -> None:
    source = WATCH.replace("self.policy = ", "self.policy = 1 / 0 or ")
    install(source, others={"twinstorm.requested_detectors": {"acme-watch": "Watch"}})
    (tmp_path / "belts.storm.yaml").write_text(Path(belts(tmp_path, "motor")).read_text() + "detectors: [acme-watch]\n")
    ran = command("run", "belts.storm.yaml")
    assert ran.code == 70
    assert "This is a bug in acme-plant" in ran.err
    assert "`__init__` raised ZeroDivisionError: division by zero" in ran.err
