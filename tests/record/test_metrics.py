"""A run as OpenMetrics."""

from __future__ import annotations

import urllib.error
import urllib.request
from contextlib import closing

import msgspec
import pytest

from tests.record.recorded import panes, tell
from twinstorm.scenarios.metrics import CONTENT_TYPE, MOST_SERIES, Metrics, MetricsServer, address_of
from twinstorm.scenarios.result import EventRow

DROPPING = ("sli", "objective_bad", "objective_events")


def series(text: str) -> dict[str, str]:
    return dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))


def test_the_newest_second_and_what_was_counted_so_far() -> None:
    metrics = Metrics()
    tell(metrics, 200)
    found, rows = series(metrics.text()), panes(200)
    assert found["twinstorm_simulated_seconds"] == "200"
    assert found["twinstorm_online"] == str(rows[-1].online)
    assert found["twinstorm_attempts_total"] == str(sum(row.attempts for row in rows))
    assert found['twinstorm_events_total{kind="alarm",name="silence",severity="page"}'] == "1"
    assert metrics.text().endswith("\n# EOF\n")


def test_every_metric_is_declared_once_before_its_samples() -> None:
    metrics = Metrics()
    tell(metrics, 200)
    declared: list[str] = []
    for line in metrics.text().splitlines()[:-1]:
        if line.startswith("# TYPE"):
            declared.append(line.split()[2])
        elif not line.startswith("#"):
            assert line.split("{")[0].split()[0].removesuffix("_total") == declared[-1], line
    assert len(declared) == len(set(declared))


def test_names_do_not_multiply_series_without_end() -> None:
    metrics = Metrics()
    for number in range(1_000):
        metrics.event(EventRow(at_s=0.0, kind="alarm", name=f'a"\\{number}\n', text=""))
    found = {name: count for name, count in series(metrics.text()).items() if name.startswith("twinstorm_events")}
    assert len(found) == MOST_SERIES + 1
    assert found['twinstorm_events_total{kind="alarm",name="other",severity=""}'] == str(1_000 - MOST_SERIES)
    assert r'twinstorm_events_total{kind="alarm",name="a\"\\7\n",severity=""}' in found


def test_objectives_beyond_the_room_of_a_metric_are_left_out_and_counted() -> None:
    metrics = Metrics()
    tell(metrics, 1)
    found = series(metrics.text())
    dropped = [f'twinstorm_dropped_series{{metric="twinstorm_{name}"}}' for name in DROPPING]
    assert [found[name] for name in dropped] == ["0", "0", "0"]
    names = [f"o{number}" for number in range(MOST_SERIES + 7)]
    metrics.budgets(dict.fromkeys(names, (1, 2)))
    row = panes(1)[0]
    slis: dict[str, float | None] = {**dict.fromkeys(names, 0.5), "o3": None}
    metrics.pane(msgspec.structs.replace(row, slis=slis))
    found = series(metrics.text())
    assert [found[name] for name in dropped] == ["7", "7", "7"]
    assert f'twinstorm_sli{{objective="o{MOST_SERIES - 1}"}}' in found
    assert f'twinstorm_sli{{objective="o{MOST_SERIES}"}}' not in found, "the same ones, whichever has data"
    assert len([name for name in found if name.startswith("twinstorm_sli")]) == MOST_SERIES - 1


def test_a_server_of_this_machine_tells_them() -> None:
    with closing(MetricsServer(Metrics(), 0)) as server:
        with urllib.request.urlopen(f"http://{server.address}/metrics") as answer:
            assert answer.headers["Content-Type"] == CONTENT_TYPE
            assert answer.read().endswith(b"# EOF\n")
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(f"http://{server.address}/")


@pytest.mark.parametrize(
    "text", ["0.0.0.0:9464", "9464", "127.0.0.1", "127.0.0.1:x", "example.org:80", "127.0.0.1:99999"]
)
def test_only_this_machine(text: str) -> None:
    assert address_of("127.0.0.1:9464") == ("127.0.0.1", 9464)
    with pytest.raises(ValueError, match="is no address of this machine"):
        address_of(text)
