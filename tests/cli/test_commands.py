"""The commands beside `run`, over the real language, catalogue and library."""

from __future__ import annotations

import errno
import json
import os
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import jsonschema
import msgspec
import pytest

from tests.cli.conftest import Ran
from tests.record.recorded import record, result
from twinstorm.scenarios import protocol
from twinstorm.scenarios.language import catalogue, selectors
from twinstorm.scenarios.language.codes import CODES
from twinstorm.scenarios.language.reader import library_names, load
from twinstorm.scenarios.language.schema import documented
from twinstorm.scenarios.verdict import ExitCode
from twinstorm.tui.cli import bench, pages
from twinstorm.tui.cli.list import first_sentence, listed
from twinstorm.tui.cli.schema import schema_of
from twinstorm.twin.flow import LossCause

Command = Callable[..., Ran]

WRONG = "storm: 1\nname: bad\nstory: x\nduration: 300\n"


# --- the program itself -----------------------------------------------------------------------------------------------


def test_bare_without_a_terminal_is_short_help_and_usage(command: Command) -> None:
    ran = command()
    assert ran.code == 2
    assert ran.out == ""
    assert "twinstorm run reboot-storm" in ran.err


def test_version(command: Command) -> None:
    assert re.fullmatch(r"twinstorm \d+\.\d+\.\d+\S*\n", command("--version").out)


COMMANDS = [
    "run",
    "check",
    "tui",
    "list",
    "explain",
    "waveform",
    "spectrum",
    "detect",
    "rul",
    "fit",
    "report",
    "score",
    "models",
    "slo",
    "deadletters",
    "init",
    "schema",
    "broker",
    "pki",
    "calibrate",
    "doctor",
    "bench",
    "completion",
]


@pytest.mark.parametrize("name", COMMANDS)
def test_help_leads_with_examples(name: str, command: Command) -> None:
    ran = command(name, "--help")
    assert ran.code == 0
    assert ran.out.index(f"  twinstorm {name}") < ran.out.index("Options:")
    of_a_group = {"pki": "list", "slo": "export", "models": "show"}
    if name in of_a_group:
        ran = command(name, of_a_group[name], "--help")
    for option in ("--color", "--no-color", "--no-progress", "--quiet", "--verbose"):
        assert option in ran.out


def test_every_command_is_listed_with_a_whole_sentence(command: Command) -> None:
    out = command("--help").out
    lines = out.split("Commands:")[1].strip().splitlines()
    assert [line.split()[0] for line in lines] == COMMANDS
    assert all(line.endswith(".") and not line.endswith("...") for line in lines)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["rnu"], "run"),
        (["run"], "SCENARIO"),
        (["run", "x", "--sed", "1"], "--seed"),
        (["run", "x", "--seed", str(1 << 63)], "not in the range"),
    ],
)
def test_a_wrong_command_line_is_usage(arguments: list[str], told: str, command: Command) -> None:
    ran = command(*arguments)
    assert ran.code == 2
    assert told in ran.err
    assert ran.out == ""


# --- completion -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_completion_prints_what_the_shell_asks_us_with(shell: str, command: Command) -> None:
    out = command("completion", shell).out
    assert f"_TWINSTORM_COMPLETE={shell}_complete" in out


@pytest.mark.parametrize(
    ("typed", "wanted"),
    [("twinstorm ch", {"check"}), ("twinstorm check --f", {"--format"}), ("twinstorm check --format g", {"github"})],
)
def test_a_shell_completes_commands_options_and_values(
    typed: str, wanted: set[str], command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("_TWINSTORM_COMPLETE", "zsh_complete")
    monkeypatch.setenv("COMP_WORDS", typed)
    monkeypatch.setenv("COMP_CWORD", str(len(typed.split()) - 1))
    assert set(command().out.splitlines()[1::3]) == wanted


# --- check ------------------------------------------------------------------------------------------------------------


def test_check_says_what_a_good_file_holds(command: Command) -> None:
    ran = command("check", "reboot-storm")
    assert (ran.code, ran.out) == (
        0,
        "ok  reboot-storm  10,000 devices  30 min  1 step, 2 objectives, 4 expectations\n",
    )


def test_check_applies_settings(command: Command) -> None:
    ran = command("check", "reboot-storm", "--devices", "500", "--set", "duration=1h")
    assert ran.out.startswith("ok  reboot-storm  500 devices  1 h  ")


def test_check_tells_all_errors_of_all_files_and_runs_nothing(command: Command, tmp_path: Path) -> None:
    for name in ("bad", "worse"):
        (tmp_path / f"{name}.storm.yaml").write_text(WRONG)
    ran = command("check", "bad.storm.yaml", "reboot-storm", "worse.storm.yaml")
    assert ran.code == 2
    assert ran.out.count("error[S201]") == 2
    assert "ok  reboot-storm" in ran.out
    assert "--> worse.storm.yaml:4:11" in ran.out


def test_check_for_tools_is_one_document(command: Command, tmp_path: Path) -> None:
    (tmp_path / "bad.storm.yaml").write_text(WRONG)
    document = command("check", "bad.storm.yaml", "reboot-storm", "--format", "json").json()
    bad, good = document["files"]
    assert (bad["ok"], good["ok"], good["problems"]) == (False, True, [])
    assert {"S201"} <= {problem["code"] for problem in bad["problems"]}


def test_check_is_content_with_a_link_that_has_no_time_and_notes_it(command: Command) -> None:
    slow = ["check", "all-quiet", "--set", "fleet.segments.motors.link=lorawan-sf12"]
    ran = command(*slow)
    assert ran.code == 0, ran.out
    assert "note: segment `motors` has no time on `lorawan-sf12`" in ran.out
    (told,) = command(*slow, "--format", "json").json()["files"]
    assert told["ok"]
    assert "the shortest period that fits" in told["notes"][0]
    (told,) = command("check", "all-quiet", "--format", "json").json()["files"]
    assert told["notes"] == []


def test_check_calls_nothing_right_that_does_not_fit_the_memory(command: Command) -> None:
    huge = ["check", "partition", "--devices", "10000000", "--set", "fleet.buffer.readings=100000"]
    ran = command(*huge)
    assert (ran.code, ran.out) == (4, "")
    assert "memory for 10,000,000 devices" in ran.err
    (told,) = command(*huge, "--format", "json").json()["files"]
    assert (told["ok"], told["problems"]) == (False, [])
    assert "memory for 10,000,000 devices" in told["unavailable"]


def test_check_notes_burn_alarms_that_never_come(command: Command, tmp_path: Path) -> None:
    ran = command(
        "check", "all-quiet", "--set", "objectives.fresh.at_least=90 %", "--set", "objectives.fresh.burn=30 d"
    )
    assert ran.code == 0, ran.out + ran.err
    assert "note: objective `fresh` cannot burn faster than 10" in ran.out


def test_check_for_github_annotates_lines(command: Command, tmp_path: Path) -> None:
    (tmp_path / "bad.storm.yaml").write_text(WRONG)
    ran = command("check", "bad.storm.yaml", "reboot-storm", "--format", "github")
    assert all(line.startswith("::error file=bad.storm.yaml,") for line in ran.out.splitlines())
    assert "line=4,col=11" in ran.out


def test_run_tells_the_same_errors_as_talk(command: Command, tmp_path: Path) -> None:
    (tmp_path / "bad.storm.yaml").write_text(WRONG)
    told, checked = command("run", "./bad.storm.yaml"), command("check", "./bad.storm.yaml")
    assert told.code == 2
    assert (told.out, told.err) == ("", checked.out)
    assert not (tmp_path / "runs").exists()


# --- list and explain -------------------------------------------------------------------------------------------------


def test_list_names_every_scenario_of_the_library(command: Command) -> None:
    lines = command("list").out.splitlines()
    assert [line.split()[0] for line in lines] == list(library_names())
    assert all(len(line.split(maxsplit=1)) == 2 for line in lines)


@pytest.mark.parametrize("kind", ["faults", "machines", "detectors", "slis"])
def test_list_gives_each_thing_a_line(kind: str, command: Command) -> None:
    lines = command("list", kind).out.splitlines()
    assert len(lines) == len(listed(kind)) > 1
    assert command("list", kind, "--json").json()["things"] == [
        {"name": name, "summary": summary} for name, summary in listed(kind).items()
    ]


def test_the_first_sentence_is_not_cut_at_a_version() -> None:
    assert first_sentence("Firmware 2.5.0 leaks.\n A gate stops it.") == "Firmware 2.5.0 leaks."
    assert first_sentence("No stop at all") == "No stop at all"


@pytest.mark.parametrize(
    ("topic", "told"),
    [
        ("power-outage", "Evidence: devices that lost power"),
        ("broker-outage", "connections (word, reset)"),
        ("freshness", "Device-seconds whose newest accepted reading"),
        ("S201", "1h30min"),
        ("s201", "1h30min"),
        ("silence", "silent"),
        ("motor", "winding_temperature_c"),
        ("offline", "silent for longer than allowed"),
        ("offline", "How many there are now."),
        ("objectives", "error"),
        ("expectations", "recovered: SHARE"),
        ("recovered", "stays so for 60 s"),
        ("ledger", "readings lost, of all causes"),
        ("exit codes", "130  interrupted"),
        ("exit-codes", "130  interrupted"),
        ("delivery_time", "Not yet in this version."),
        ("faults", "  devices lose power"),
        ("selectors", "a part of them, by the seed"),
        ("power", "  self_discharge  of a full battery in a year"),
        ("clock", "  drift        its rate at most, by lot; 0 ppm by default"),
        ("firmware", "Under `firmware.NAME`:"),
        ("hazards", "  crash_every   mean time from a boot to a crash"),
        ("buffer", "Under `fleet.segments.NAME.gateway.buffer`:"),
        ("motor", "A reading every 1 s, unless `every` says otherwise."),
        ("camera", "at least every 5 min, unless `every` says otherwise."),
        ("seal-leak", "takes more power"),
        ("trunk", "Under `fleet.sites.NAME.trunk`:"),
        ("region", "by default the site's name up to its last `-`"),
    ],
)
def test_explain(topic: str, told: str, command: Command) -> None:
    ran = command("explain", *topic.split())
    assert ran.code == 0
    assert told in ran.out


def test_explain_tells_of_what_is_spelt_just_so_and_of_nothing_alike(command: Command) -> None:
    assert "battery_drain" not in command("explain", "battery-drain").out
    assert "battery_drain: share of device time" in command("explain", "battery_drain").out


def test_explain_finds_every_word_of_a_scenario() -> None:
    for path, key in documented().items():
        if not key.later:
            assert pages.page_of(key.name) is not None, path


def test_explain_does_not_say_that_devices_are_gone_for_good_or_come_back(command: Command) -> None:
    for fault in ("battery-drain", "sim-expiry", "stale-registry"):
        page = command("explain", fault).out
        assert "devices do not come back" not in page
        assert "come back by themselves" not in page


def test_explain_knows_what_there_is_to_explain(command: Command) -> None:
    out = command("explain").out
    for name in (*catalogue.faults(), *catalogue.SLIS, *CODES, *catalogue.alarms(), "protocol", "states"):
        assert name in out


def test_every_topic_has_a_page() -> None:
    for names in pages.groups().values():
        for name in names:
            page = pages.page_of(name)
            assert page is not None
            assert len(page.splitlines()) >= 1
            assert page.splitlines()[0].startswith(name), name


def test_the_pages_know_every_loss_every_exit_code_and_every_message() -> None:
    assert list(pages.LOSS_CAUSES) == [str(cause) for cause in LossCause]
    assert {code for code, _ in pages.EXIT_CODES} == {int(code) for code in ExitCode} | {141}
    page = pages.page_of("protocol")
    assert page is not None
    for kind in (*protocol.Command.__args__, *protocol.Event.__args__):
        assert f"  {kind.__name__}" in page
        for field in kind.__struct_fields__:
            assert f"    {field}: " in page


def test_explain_selectors_shows_keys_and_examples_of_this_version(command: Command) -> None:
    page = command("explain", "selectors").out
    keys = re.findall(r"[a-z_]+", page[page.index("Fixed keys:") :].replace("\n", " "))
    assert {*selectors.FIXED_KEYS, *selectors.MOMENT_KEYS} <= set(keys)
    examples = [re.split(r" {3,}", line.strip())[0] for line in page.splitlines() if line.startswith("    ")]
    assert len(examples) > 4
    for example in examples:
        selectors.parse(example)


def test_explain_helps_with_a_typing_error(command: Command) -> None:
    ran = command("explain", "power-outtage")
    assert ran.code == 2
    assert "did you mean `power-outage`?" in ran.err


# --- schema -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["scenario", "run", "runs", "plan"])
def test_schemas_are_schemas(what: str, command: Command) -> None:
    document = command("schema", what).json()
    jsonschema.Draft202012Validator.check_schema(document)
    assert document == schema_of(what)


def test_the_schema_of_a_run_knows_every_field() -> None:
    document = msgspec.to_builtins(result())
    schema = schema_of("run")
    jsonschema.validate(document, schema)
    document["ledger"]["produced"] = "many"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, schema)


# --- report -----------------------------------------------------------------------------------------------------------


def test_report_prints_the_last_run(command: Command, tmp_path: Path) -> None:
    folder = record(tmp_path / "runs").folder
    assert command("report", "last").out == (folder / "report.md").read_text()
    assert command("report", folder.name, "--format", "html").out.startswith("<!doctype html>")
    assert command("report", str(folder), "--format", "json").json()["verdict"] == "missed"
    assert command("report", "last", "--format", "junit").out.startswith("<?xml")


def test_report_writes_a_file_as_a_whole(command: Command, tmp_path: Path) -> None:
    folder = record(tmp_path / "elsewhere").folder
    ran = command("report", "last", "--runs", "elsewhere", "--format", "html", "--out", "storm.html")
    assert (ran.code, ran.out, ran.err) == (0, "", "wrote storm.html\n")
    assert (tmp_path / "storm.html").read_text() == (folder / "report.html").read_text()


@pytest.mark.parametrize("run", ["last", "no-such-1", "runs/no-such-1"])
def test_report_without_such_a_run_is_usage(run: str, command: Command) -> None:
    ran = command("report", run)
    assert ran.code == 2
    assert ran.err.startswith("error: no run")


# --- init -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("template", "name"), [("smoke", "smoke"), ("storm", "first-storm")])
def test_init_writes_a_scenario_that_is_right(template: str, name: str, command: Command, tmp_path: Path) -> None:
    ran = command("init", "lab", "--template", template)
    assert ran.code == 0
    written = sorted(
        str(path.relative_to(tmp_path / "lab")) for path in (tmp_path / "lab").rglob("*") if path.is_file()
    )
    assert written == [
        ".github/workflows/storms.yml",
        f"{name}.storm.yaml",
        "test_scenarios.py",
        "twinstorm.schema.json",
    ]
    scenario = tmp_path / "lab" / f"{name}.storm.yaml"
    assert load(str(scenario)).name == name
    assert scenario.read_text().splitlines()[0] == "# yaml-language-server: $schema=twinstorm.schema.json"
    assert json.loads((tmp_path / "lab/twinstorm.schema.json").read_text()) == schema_of("scenario")
    assert f"try: twinstorm run lab/{name}.storm.yaml" in ran.err


def test_init_overwrites_nothing_and_writes_all_or_none(command: Command, tmp_path: Path) -> None:
    (tmp_path / "test_scenarios.py").write_text("mine")
    ran = command("init")
    assert ran.code == 2
    assert "test_scenarios.py exists: nothing was written" in ran.err
    assert [path.name for path in tmp_path.iterdir()] == ["test_scenarios.py"]
    assert (tmp_path / "test_scenarios.py").read_text() == "mine"


# --- bench ------------------------------------------------------------------------------------------------------------

BENCHMARK = """
from types import SimpleNamespace as Result
def bench():
    figure = dict(peer="SimPy", peer_value=2.0, ratio=15.5, required="at least 30", met={met})
    return [Result(name="world", value=31.0, unit="x", **figure), Result(name="free", value=1.5, unit="s", peer="",
            peer_value=None, ratio=None, required="", met=None)]
"""


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[bool], None]]:
    """Makes a checkout with one benchmark that does or does not meet its requirement."""

    def make(met: bool) -> None:
        folder = tmp_path / "checkout" / "benchmarks"
        folder.mkdir(parents=True)
        (folder / "__init__.py").touch()
        (folder / "puppet_world.py").write_text(BENCHMARK.format(met=met))
        (folder / "puppet_helper.py").write_text("def median(): ...\n")
        monkeypatch.setattr(bench, "checkout_folder", lambda: folder)

    ours = {name: module for name, module in sys.modules.items() if name.split(".")[0] == "benchmarks"}
    _forget_benchmarks()
    yield make
    _forget_benchmarks()
    sys.modules.update(ours)


def _forget_benchmarks() -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "benchmarks"]:
        del sys.modules[name]


def test_bench_prints_figures_beside_their_peers(checkout: Callable[[bool], None], command: Command) -> None:
    checkout(True)
    ran = command("bench", "puppet_world")
    assert ran.code == 0
    assert ran.out.splitlines() == ["+ world  31 x   SimPy 2  15.5x  want at least 30", "  free   1.5 s"]
    assert ran.err.splitlines() == [
        "measured: + world 31 x SimPy 2 15.5x want at least 30",
        "measured: free 1.5 s",
    ]
    assert command("bench", "puppet_world", "--no-progress").err == ""


def test_bench_json_names_the_machine(checkout: Callable[[bool], None], command: Command) -> None:
    checkout(True)
    document = command("bench", "puppet_world", "--json").json()
    assert document["machine"]["cores"] >= 1
    assert document["results"][0] == {
        "name": "world",
        "value": 31.0,
        "unit": "x",
        "peer": "SimPy",
        "peer_value": 2.0,
        "ratio": 15.5,
        "required": "at least 30",
        "met": True,
    }


def test_a_missed_requirement_is_exit_1(checkout: Callable[[bool], None], command: Command) -> None:
    checkout(False)
    assert command("bench", "puppet_world").code == 1


def test_bench_lists_what_measures_and_not_its_helpers(checkout: Callable[[bool], None], command: Command) -> None:
    checkout(True)
    assert command("bench").out == "puppet_world\n"
    ran = command("bench", "puppet_word")
    assert ran.code == 2
    assert "did you mean `puppet_world`?" in ran.err


def test_bench_says_so_without_a_checkout(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "checkout_folder", lambda: None)
    ran = command("bench", "world")
    assert ran.code == 2
    assert "part of a checkout" in ran.err


def test_the_checkout_is_found_from_the_package() -> None:
    folder = bench.checkout_folder()
    assert folder is not None
    assert {"world", "start"} <= set(bench.benchmark_names(folder))


def test_init_where_nothing_can_be_made_is_unavailable(command: Command, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    ran = command("init", "file/below")
    assert ran.code == 4
    assert ran.err.startswith("error: file/below is not available: Not a directory")


def test_init_on_a_full_disk_leaves_no_half_file(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("twinstorm.scenarios.record.folder.os.fsync", full)
    ran = command("init")
    assert ran.code == 4
    assert "smoke.storm.yaml is not available: No space left on device" in ran.err
    assert list(tmp_path.iterdir()) == []


def test_a_report_into_a_folder_is_refused(command: Command, tmp_path: Path) -> None:
    record(tmp_path / "runs")
    for out in (".", "no/such.md"):
        ran = command("report", "last", "--out", out)
        assert (ran.code, ran.err.partition(":")[0]) == (2, "error")


def test_the_benchmarks_find_themselves_from_anywhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from benchmarks.world import memory_bytes

    monkeypatch.chdir(tmp_path)
    assert memory_bytes(10) > 2**20


@pytest.mark.parametrize("words", [("check",), ("run", "--dry-run"), ("run",)], ids=" ".join)
def test_more_devices_than_fit_are_refused_and_leave_nothing(
    command: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, words: tuple[str, ...]
) -> None:
    monkeypatch.setattr("twinstorm.scenarios.engine.memory.available_memory_bytes", lambda: 2**30)
    ran = command(words[0], "reboot-storm", "--devices", "10000000", *words[1:])
    assert ran.code == 4
    assert "53.3 GiB needed, 1.0 GiB free: 180,000 devices fit" in ran.err
    assert "--devices" in ran.err
    assert list(tmp_path.iterdir()) == []
    assert command("check", "reboot-storm", "--devices", "180000").code == 0
