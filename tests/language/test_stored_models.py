"""Stored models in a scenario: which version is meant, and what is said of those that are not there."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from twinstorm.scenarios.language.errors import ScenarioErrors
from twinstorm.scenarios.language.model import Scenario
from twinstorm.scenarios.language.reader import read
from twinstorm.scenarios.language.stored import models_of
from twinstorm.scenarios.models.manifest import Manifest, State, Trained

FILE = """storm: 1
name: watch
story: Who looks.
duration: 10 min
fleet:
  devices: 20
  segments: {pumps: {kind: pump, share: 100 %}}
detectors:
  silence: {}
  pump-watch: {model: pumps}
  pump-next: {model: pumps@2, shadow: true, on: id=*1, severity: page}
expect:
  - {no_alarm: pump-watch}
  - {no_alarm: pump-watch-drift}
"""


def put(store: Path, version: int, kind: str = "pump", seed: int = 1) -> None:
    """A version of which nobody looks at the parameters."""
    taught = Trained(
        scenario="calm", seed=seed, digest="", from_s=0.0, to_s=1.0, devices=1, rows=200, of_rows=200, left_out=0
    )
    manifest = Manifest(
        name="pumps",
        version=version,
        created="2030-01-07T01:00:00Z",
        detector="pyod:PCA",
        kind=kind,
        channels=("flow_m3_h",),
        rare=0.0001,
        level=60,
        seed=1,
        trained=taught,
        usual=0.0,
        limit=1.0,
        features=("flow_m3_h.value",),
        parameters="0" * 64,
    )
    folder = store / "pumps"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{version}.json").write_bytes(msgspec.json.encode(manifest))
    (folder / "state.json").write_bytes(msgspec.json.encode(State(live=(1,), newest=9)))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    put(tmp_path / "models", 1)
    put(tmp_path / "models", 2)
    return tmp_path


def reading(folder: Path, text: str = FILE) -> Scenario:
    return read(text, str(folder / "watch.storm.yaml"))


def wrong(folder: Path, before: str, after: str) -> list[tuple[str, str, str]]:
    """Code, path and the whole text of what is told."""
    with pytest.raises(ScenarioErrors) as raised:
        reading(folder, FILE.replace(before, after))
    return [(each.code, each.path, f"{each.message}; {each.advice}") for each in raised.value.problems]


def test_a_name_means_the_live_version_and_the_record_says_which(folder: Path) -> None:
    scenario = reading(folder)
    assert {name: str(stored) for name, stored in models_of(scenario.detectors).items()} == {
        "pump-watch": "pumps@1",
        "pump-next": "pumps@2",
    }
    assert 'model: "pumps@1"' in scenario.resolved
    # In the folder of a record the store is beside the scenario.
    assert reading(folder, scenario.resolved).resolved == scenario.resolved


def test_a_store_elsewhere_is_named_and_not_kept(folder: Path) -> None:
    (folder / "models").rename(folder / "kept")
    text = FILE.replace("{model: pumps}", "{model: pumps, store: kept}")
    scenario = reading(folder, text.replace("{model: pumps@2, ", "{model: pumps@2, store: ./kept, "))
    assert models_of(scenario.detectors)["pump-watch"].store == folder / "kept"
    assert "store" not in scenario.resolved


@pytest.mark.parametrize(
    ("before", "after", "code", "path", "said"),
    [
        ("{model: pumps}", "{model: pmups}", "S116", "detectors.pump-watch.model", "did you mean `pumps`?"),
        ("pumps@2", "pumps@5", "S116", "detectors.pump-next.model", "there is no version 5 of `pumps`"),
        ("pumps@2", "pumps@two", "S116", "detectors.pump-next.model", "write NAME or NAME@VERSION"),
        (
            "{model: pumps}",
            "{model: pumps, store: nowhere}",
            "S116",
            "detectors.pump-watch.model",
            "there is no model in",
        ),
        ("{model: pumps}", "{model: }", "S214", "detectors.pump-watch.model", ""),
        ("{model: pumps}", "{model: [a]}", "S108", "detectors.pump-watch.model", ""),
        ("{model: pumps}", "{model: pumps, treshold: 2}", "S102", "detectors.pump-watch.threshold", "did you mean"),
        ("{model: pumps}", "{model: pumps, channels: [a]}", "S102", "detectors.pump-watch.channels", ""),
        ("no_alarm: pump-watch-drift", "no_alarm: pump-wtch-drift", "S104", "expect[1].no_alarm", "did you mean"),
    ],
)
def test_what_is_wrong_is_told_at_its_place(
    folder: Path, before: str, after: str, code: str, path: str, said: str
) -> None:
    found = wrong(folder, before, after)
    assert any(each[:2] == (code, path) and said in each[2] for each in found), found


def test_a_model_of_a_kind_that_the_fleet_lacks_is_told(folder: Path) -> None:
    put(folder / "models", 1, kind="motor")
    (found,) = wrong(folder, "silence: {}", "silence: {periods: 4}")
    assert found[:2] == ("S309", "detectors.pump-watch.model")
    assert "is a model of `motor`" in found[2]


def test_two_stores_with_one_name_for_two_things_are_told(folder: Path) -> None:
    put(folder / "other", 1, seed=2)
    both = "{model: pumps}\n  pump-other: {model: pumps@1, store: other}"
    (found,) = wrong(folder, "{model: pumps}", both)
    assert (found[0], "are not the same" in found[2]) == ("S212", True)


def test_a_manifest_that_is_none_is_told(folder: Path) -> None:
    (folder / "models" / "pumps" / "2.json").write_text("{}")
    (found,) = wrong(folder, "silence: {}", "silence: {periods: 4}")
    assert (found[0], "is not what this version writes" in found[2]) == ("S116", True)
