"""What commands about models have in common: what may go wrong, tables, documents."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from twinstorm.tui.cli.command import UsageError
from twinstorm.tui.cli.talk import Talk

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import msgspec

    from twinstorm.scenarios.models.manifest import Stored
    from twinstorm.scenarios.record.read import RecordedRun


def guarded(do: Callable[[], int]) -> int:
    """What stores, runs and rows can be wrong about is a mistake of the caller."""
    from twinstorm.detectors.values.model import UnfitModelError
    from twinstorm.scenarios.models.manifest import NoSuchModel
    from twinstorm.scenarios.models.training import UnfitRun
    from twinstorm.scenarios.record.read import NoSuchRun
    from twinstorm.scenarios.record.readings import NotRecorded

    try:
        return do()
    except NoSuchModel as error:
        raise UsageError(error.what, error.advice) from None
    except NoSuchRun as error:
        raise UsageError(error.what, error.hint) from None
    except (NotRecorded, UnfitRun, UnfitModelError) as error:
        what, _, hint = str(error).partition("; ")
        raise UsageError(what, hint) from None


def opened(run: str, runs: Path) -> RecordedRun:
    """A record. Raises NoSuchRun."""
    from twinstorm.scenarios.record.read import open_run

    return open_run(run, runs)


def say_played(talk: Talk, run: RecordedRun, why: str) -> None:
    """Tell on standard error that a run is played again."""
    talk.say(f"playing {run.about.scenario} again, seed {run.about.seed}: {why}")


def tell_trained(talk: Talk, stored: Stored, what: str) -> None:
    """That there is a new version."""
    talk.data(f"{stored}{' is live' if stored.is_live else ''}: {what}")


def tell_known(talk: Talk, stored: Stored, own: Sequence[tuple[str, str]]) -> None:
    """What is known of a version, a line each; what only its task knows in the middle."""
    about = stored.manifest
    for name, value in (
        ("model", f"{stored}{', live' if stored.is_live else ''}"),
        ("parent", f"{about.name}@{about.parent}" if about.parent else "none"),
        ("task", about.task),
        ("detector", about.detector),
        ("kind", about.kind),
        ("channels", ", ".join(about.channels)),
        *own,
        ("features", f"{len(about.features)}, from {about.features[0]} to {about.features[-1]}"),
        ("date", about.created),
        ("parameters", about.parameters),
    ):
        talk.data(f"{name:<11} {value}")


def table(talk: Talk, head: Sequence[str], rows: Sequence[Sequence[str]], numbers: set[int]) -> None:
    """Columns side by side; `numbers` are those that stand to the right."""
    lines = [head, *rows] if head else []
    widths = [max(len(row[column]) for row in lines) for column in range(len(head))]
    for row in lines:
        cells = [
            cell.rjust(width) if column in numbers else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        talk.data("  ".join(cells).rstrip())


def give(talk: Talk, document: Any) -> None:
    """One document on standard output."""
    import msgspec

    talk.data(msgspec.json.format(msgspec.json.encode(document), indent=2).decode())


def fields_of(found: msgspec.Struct) -> dict[str, Any]:
    """By name."""
    import msgspec

    return msgspec.structs.asdict(found)


def share_or_none(value: float | None) -> str:
    """A share for people; of nothing a dash."""
    from twinstorm.scenarios.reports.words import share

    return "-" if value is None else share(value)
