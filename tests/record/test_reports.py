"""Reports of a recorded run: what they say, and that nothing in a record can play with who reads them."""

from __future__ import annotations

import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import msgspec
import pytest
from junitparser import Error, Failure, JUnitXml
from syrupy.assertion import SnapshotAssertion

from tests.record.recorded import EVENTS, panes, record, result, start
from twinstorm.scenarios.record.read import NoSuchRun, RecordedRun, open_run
from twinstorm.scenarios.reports.charts import bound_of, charts
from twinstorm.scenarios.reports.files import render, write_reports
from twinstorm.scenarios.reports.junit import junit
from twinstorm.scenarios.reports.series import gather
from twinstorm.scenarios.result import RunResult

HOSTILE = "</title><script>alert(1)</script> | `x` \x1b[31m\x00 <img src=//evil>"


@pytest.fixture
def reported(tmp_path: Path) -> Callable[..., str]:
    def report(form: str, outcome: RunResult | None = None) -> str:
        record(tmp_path, outcome)
        return render(open_run("last", tmp_path), form).decode()

    return report


def timeless(text: str) -> str:
    """A report without what differs from run to run."""
    text = re.sub(r"\d{4}-\d\d-\d\dT[\d:.+]+", "START", text)
    return re.sub(r"version: \S+", "version: VERSION", text)


class Page(HTMLParser):
    """Tags with their attributes, and the text of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def count(self, tag: str) -> int:
        return sum(name == tag for name, _ in self.tags)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def hostile_result() -> RunResult:
    """Every text that a scenario or a device can bring is an attack."""

    def poisoned(value: Any) -> Any:
        if isinstance(value, msgspec.Struct):
            kept = ("verdict", "ended", "unit", "schema", "clock", "severity", "wanted")
            changes = {name: poisoned(getattr(value, name)) for name in value.__struct_fields__ if name not in kept}
            return msgspec.structs.replace(value, **changes)
        if isinstance(value, list):
            return [poisoned(each) for each in value]
        return HOSTILE if isinstance(value, str) else value

    poisoned_result = poisoned(result())
    assert isinstance(poisoned_result, RunResult)
    return poisoned_result


def test_the_markdown_report_tells_the_whole_run(reported: Callable[..., str], snapshot: SnapshotAssertion) -> None:
    assert timeless(reported("md")) == snapshot


def test_the_html_report_is_one_file_without_script_that_fetches_nothing(reported: Callable[..., str]) -> None:
    page = Page(reported("html"))
    assert page.count("svg") == 6
    assert not {"script", "link", "img", "iframe", "object", "embed"} & {tag for tag, _ in page.tags}
    named = {name for _, attributes in page.tags for name in attributes}
    assert not {"src", "href", "onload", "onclick", "action"} & named
    assert "url(" not in reported("html")


def test_both_reports_have_the_same_facts(reported: Callable[..., str]) -> None:
    page, text = Page(reported("html")).text, reported("md")
    for fact in (
        "MISSED",
        "1 of 3 expectations did not hold",
        "00:02:01 to 00:04:49",
        "after 41 s",
        "55,000",
        "5f" * 32,
    ):
        assert fact in page, fact
        assert fact in text, fact


def test_charts_show_the_storm_with_its_fault_and_its_alarm(reported: Callable[..., str]) -> None:
    page = reported("html")
    assert "attempts from 0 to 60; admitted from 0 to 10; refused from 0 to 45; unanswered from 0 to 5" in page
    # Five charts of the whole run; the one of the storm alone begins after the alarm and in the fault's last seconds.
    assert page.count('class="shade"') == 6
    assert page.count('class="mark"') == 5
    assert "online from 600 to 1,000" in page
    assert "at least 99.9 %</text>" in page


def test_the_page_is_dark_or_light_as_the_reader_likes_it(reported: Callable[..., str]) -> None:
    page = reported("html")
    assert "prefers-color-scheme: dark" in page
    assert '<meta name="color-scheme" content="light dark">' in page


def test_hostile_text_stays_text_in_html(reported: Callable[..., str]) -> None:
    page = Page(reported("html", hostile_result()))
    assert not {"script", "img"} & {tag for tag, _ in page.tags}
    assert "\x1b" not in page.text
    assert "<script>alert(1)</script>" in page.text


def test_hostile_text_breaks_no_table_in_markdown(reported: Callable[..., str]) -> None:
    text = reported("md", hostile_result())
    assert "\x1b" not in text
    assert "\x00" not in text
    tables = re.findall(r"(?:^\|.*\n)+", text, re.M)
    assert tables
    for table in tables:
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}) == 1, table
    assert not re.search(r"(?<!\\)<", text.split("## Repeat")[0])


def test_hostile_text_leaves_junit_readable(reported: Callable[..., str]) -> None:
    (suite,) = JUnitXml.fromstring(reported("junit", hostile_result()).encode())
    assert suite.tests == 4
    assert all("\x1b" not in case.name for case in suite)


def test_junit_fails_what_was_missed_and_errors_what_nobody_knows() -> None:
    told = result()
    unknown = msgspec.structs.replace(told.expectations[0], verdict="inconclusive", why="the run ended before")
    blunt = msgspec.structs.replace(told.faults[0], bit=False, evidence={})
    told = msgspec.structs.replace(
        told, expectations=[unknown, *told.expectations[1:]], faults=[blunt], ended="stopped", simulated_s=130.0
    )
    (suite,) = JUnitXml.fromstring(junit([told]))
    found = {case.name: [type(each) for each in case.result] for case in suite}
    assert found == {
        "alarm: silence, after: outage, within: 60 s": [Error],
        "recovered: 99 %, of: outage, within: 5 min": [],
        "objective connected held": [Failure],
        "fault outage has an effect": [Error],
        "the run ends by itself": [Error],
    }
    assert (suite.tests, suite.failures, suite.errors) == (5, 1, 3)


def test_junit_of_several_runs_is_one_document_with_a_suite_each() -> None:
    document = JUnitXml.fromstring(junit([result(), result(seed=43)]))
    assert [suite.name for suite in document] == ["small-storm seed 42", "small-storm seed 43"]
    assert [suite.time for suite in document] == [2.0, 2.0]


def test_json_is_the_result_itself(reported: Callable[..., str], tmp_path: Path) -> None:
    told = msgspec.json.decode(reported("json"), type=RunResult)
    assert told == open_run("last", tmp_path).result


@pytest.fixture
def cut_short(tmp_path: Path) -> RecordedRun:
    """A run that went wrong in second 200, during its fault."""
    recorder = start(tmp_path)
    for row in EVENTS[:3]:
        recorder.event(row)
    for pane in panes(200):
        recorder.pane(pane)
    recorder.close(None)
    return open_run("last", tmp_path)


def test_a_run_without_an_end_has_a_report_and_no_verdict(cut_short: RecordedRun) -> None:
    text = render(cut_short, "md").decode()
    assert text.startswith("# small-storm, seed 42: NO VERDICT\n")
    assert "did not end: twinstorm itself failed. This is what it had recorded at 00:03:20." in text
    assert "| 00:02:41 | alarm | silence |" in text
    page = render(cut_short, "html").decode()
    # Known from the events alone: the fault is on to the last recorded second.
    assert "outage: power-outage, 00:02:00 to 00:03:20" in page


@pytest.mark.parametrize("form", ["json", "junit"])
def test_a_run_without_an_end_has_no_result_to_tell(form: str, cut_short: RecordedRun) -> None:
    with pytest.raises(NoSuchRun, match="has no result: twinstorm itself failed; --format md or html"):
        render(cut_short, form)


def test_a_run_in_which_nothing_was_recorded_is_told_as_such(tmp_path: Path) -> None:
    start(tmp_path).close(None)
    run = open_run("last", tmp_path)
    assert "No second was recorded." in render(run, "md").decode()
    assert Page(render(run, "html").decode()).count("svg") == 0


def test_the_fault_that_raised_no_alarm_and_the_alarm_without_fault_are_surprises(reported: Callable[..., str]) -> None:
    told = result()
    alarm = msgspec.structs.replace(told.alarms[0], fault=None, delay_s=None)
    text = reported("md", msgspec.structs.replace(told, alarms=[alarm]))
    surprises = text.split("## Surprises")[1].split("##")[0]
    assert "Alarm silence (site=fra-2) at 00:02:41 has no fault behind it." in surprises
    assert "Fault outage raised no alarm." in surprises


def test_a_ledger_that_does_not_close_is_said(reported: Callable[..., str]) -> None:
    ledger = msgspec.structs.replace(result().ledger, delivered=544_990)
    assert "The ledger does not close: +10 readings." in reported("md", result(ledger=ledger))


def test_written_reports_stand_in_the_folder_of_the_run(tmp_path: Path) -> None:
    folder = record(tmp_path).folder
    paths = write_reports(open_run("last", tmp_path), ["md", "html", "json", "junit"])
    assert [path.name for path in paths] == ["report.md", "report.html", "result.json", "junit.xml"]
    assert all(path.parent == folder and path.stat().st_size for path in paths)


@pytest.mark.parametrize(
    ("wanted", "unit", "bound"),
    [
        ("at least 99.9 %", "%", 0.999),
        ("at most 1,000 ms", "ms", 1000.0),
        ("at most 1 s", "ms", None),
        ("between 1 and 2", "", None),
    ],
)
def test_the_bound_of_a_chart_is_read_from_what_was_wanted(wanted: str, unit: str, bound: float | None) -> None:
    (objective,) = result().objectives
    assert bound_of(msgspec.structs.replace(objective, wanted=wanted, unit=unit)) == pytest.approx(bound)


def test_an_objective_with_an_upper_bound_shows_its_worst_that_is_its_highest(tmp_path: Path) -> None:
    (objective,) = result().objectives
    slow = msgspec.structs.replace(objective, wanted="at most 2 s", unit="s", name="delay", value=1.5)
    record(tmp_path, result(objectives=[slow]))
    rows = [msgspec.structs.replace(row, slis={"delay": row.at_s / 10}) for row in panes(20)]
    run = open_run("last", tmp_path)
    drawn = {chart.title: chart for chart in charts(run, gather(rows, 20, 2), [], 20.0)}["Objective delay"]
    assert list(drawn.series[0].values) == [1.0, 2.0]
    assert [each.value for each in drawn.bounds] == [2.0]
