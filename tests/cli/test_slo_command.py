"""`twinstorm slo`: objectives for other tools."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.cli.conftest import Ran
from twinstorm.scenarios.language.reader import load

Command = Callable[..., Ran]


def test_objectives_go_to_openslo_and_back(command: Command, tmp_path: Path) -> None:
    done = command("slo", "export", "reboot-storm", "--out", "slo.yaml")
    assert (done.code, done.out) == (0, "")
    assert "written: slo.yaml" in done.err
    back = command("slo", "import", "slo.yaml")
    assert back.code == 0
    scenario = tmp_path / "mine.storm.yaml"
    scenario.write_text(
        "storm: 1\nname: mine\nstory: Mine.\nduration: 5 min\n"
        f"fleet: {{devices: 3, segments: {{motors: {{kind: motor, share: 100 %}}}}}}\n{back.out}"
    )
    found, wanted = load(str(scenario)).objectives, load("reboot-storm").objectives
    assert [(one.name, one.sli, one.at_least, one.at_most) for one in found] == [
        (one.name, one.sli, one.at_least, one.at_most) for one in wanted
    ]
    assert "left out" in back.err, "descriptions and the service"
    assert command("slo", "export", "reboot-storm").out.rstrip() == (tmp_path / "slo.yaml").read_text().rstrip()


def test_what_openslo_cannot_say_is_told(command: Command) -> None:
    done = command("slo", "export", "all-quiet", "--set", "objectives.fresh.burn=run")
    assert done.code == 0
    assert "objective `steady` is left out" in done.err
    assert "objective `fresh`: OpenSLO has no words for all of its `burn`" in done.err


def test_what_is_wrong_is_told(command: Command, tmp_path: Path) -> None:
    (tmp_path / "bare.storm.yaml").write_text(
        "storm: 1\nname: bare\nstory: Bare.\nduration: 5 min\n"
        "fleet: {devices: 3, segments: {motors: {kind: motor, share: 100 %}}}\n"
    )
    (tmp_path / "bad.yaml").write_text("apiVersion: openslo/v1\nkind: SLO\nmetdata: {name: a}\nspec: {}\n")
    (tmp_path / "latin.yaml").write_bytes(b"\xff\xfe")
    for arguments, said in (
        (("export", "bare.storm.yaml"), "`bare.storm.yaml` has no objective that OpenSLO can say"),
        (("export", "reboot-strom"), "did you mean `reboot-storm`?"),
        (("import", "bad.yaml"), "--> bad.yaml:3:1  metadata"),
        (("import", "bad.yaml"), "did you mean `metadata`?"),
        (("import", "none.yaml"), "there is no file none.yaml"),
        (("import", "."), ". is a folder"),
        (("import", "latin.yaml"), "latin.yaml is no text in UTF-8"),
    ):
        done = command("slo", *arguments)
        assert (done.code, done.out) == (2, ""), arguments
        assert said in done.err


def test_alert_rules_and_their_tests_are_written(command: Command, tmp_path: Path) -> None:
    (tmp_path / "tests").mkdir()
    asked = ("slo", "rules", "reboot-storm", "--set", "objectives.connected.burn=30d")
    done = command(*asked, "--out", "rules.yml", "--tests", "tests/rules-test.yml")
    assert (done.code, done.out) == (0, ""), done.err
    assert "alert: connected-burn" in (tmp_path / "rules.yml").read_text()
    assert "../rules.yml" in (tmp_path / "tests" / "rules-test.yml").read_text()
    assert "cannot burn faster than 10" in done.err, "rules that are left out are told"
    assert command(*asked).out.rstrip() == (tmp_path / "rules.yml").read_text().rstrip()


def test_rules_that_cannot_be_written_are_told(command: Command) -> None:
    bare = command("slo", "rules", "reboot-storm")
    assert bare.code == 2
    assert "has no burn alarm that can come" in bare.err
    assert "--set objectives.connected.burn=30d" in bare.err
    alone = command("slo", "rules", "reboot-storm", "--tests", "t.yml")
    assert (alone.code, "tests name the file of their rules" in alone.err) == (2, True)
