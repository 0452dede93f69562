"""`twinstorm init`: a scenario to start from, its schema for the editor, a test and a CI file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import click

from twinstorm.tui.cli.command import UsageError, command
from twinstorm.tui.cli.talk import Talk

SCENARIOS = {"smoke": "smoke.storm.yaml", "storm": "first-storm.storm.yaml"}
"""Template to its scenario file."""

SCHEMA_FILE = "twinstorm.schema.json"


@command(
    click.Argument(
        ["folder"],
        type=click.Path(path_type=Path),
        default=Path(),
        metavar="[DIR]",
        help="Made if it is not there; here if absent.",
    ),
    click.Option(
        ["--template"],
        type=click.Choice(list(SCENARIOS)),
        default="smoke",
        help="smoke: a quiet day; storm: an outage and what follows.",
    ),
)
def init(talk: Talk, folder: Path, template: str) -> int:
    """Write a scenario to start from.

    With its JSON Schema for the editor, a pytest file and a CI workflow. Overwrites nothing.

    \b
      twinstorm init
      twinstorm init storms --template storm

    Exit: 0, or 2 if one of the files is there already; then none is written.
    """
    wanted = contents(template)
    there = [name for name in wanted if (folder / name).exists()]
    if there:
        raise UsageError(
            f"{', '.join(str(folder / name) for name in there)} exists: nothing was written", "name another folder"
        )
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is not a folder")
    from twinstorm.scenarios.record.folder import no_room, write_whole

    for name, text in wanted.items():
        path = folder / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise no_room(path.parent, error) from error
        write_whole(path, text)
        talk.say(f"wrote {path}")
    talk.say(f"try: twinstorm run {folder / SCENARIOS[template]}" if folder != Path() else _try(template))
    return 0


def _try(template: str) -> str:
    return f"try: twinstorm run {SCENARIOS[template]}"


def contents(template: str) -> Mapping[str, str]:
    """Path below the folder to text."""
    from importlib.resources import files

    import msgspec

    from twinstorm.scenarios.language.json_schema import json_schema

    here = files("twinstorm.tui.cli")
    scenario = SCENARIOS[template]
    return {
        scenario: here.joinpath(scenario).read_text(encoding="utf-8"),
        SCHEMA_FILE: msgspec.json.format(msgspec.json.encode(json_schema()), indent=2).decode() + "\n",
        "test_scenarios.py": here.joinpath("test_scenarios.py.j2").read_text(encoding="utf-8"),
        ".github/workflows/storms.yml": here.joinpath("workflow.yaml").read_text(encoding="utf-8"),
    }
