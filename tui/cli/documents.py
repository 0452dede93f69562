"""The documents of `run --json`: one run's result as it is, or several with what was varied."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from twinstorm.scenarios.result import RunResult
from twinstorm.tui.cli.play import Outcome

RUNS_SCHEMA = "twinstorm/runs/1"


class OneOfRuns(msgspec.Struct, frozen=True, kw_only=True):
    """One run among several.

    Attributes:
        varied: `--vary` path to the value of this run.
        exit_code: what this run alone would have ended with.
        run: None if it could not end.
    """

    scenario: str
    seed: int
    varied: dict[str, str]
    exit_code: int
    run: RunResult | None


class Runs(msgspec.Struct, frozen=True, kw_only=True):
    """The document of `run --json` with several scenarios, seeds or varied settings."""

    schema: str = RUNS_SCHEMA
    runs: list[OneOfRuns]


def document(outcomes: Sequence[Outcome], several: bool) -> str:
    """JSON text; empty if the one run that was asked for could not end."""
    if not several:
        result = outcomes[0].result if outcomes else None
        return "" if result is None else _json(result)
    return _json(
        Runs(
            runs=[
                OneOfRuns(
                    scenario=outcome.case.scenario.name,
                    seed=outcome.case.seed,
                    varied=dict(outcome.case.varied),
                    exit_code=int(outcome.code),
                    run=outcome.result,
                )
                for outcome in outcomes
            ]
        )
    )


def _json(value: msgspec.Struct) -> str:
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
