"""The reports of a recorded run, as text or as files in its folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from twinstorm.scenarios.record.folder import write_whole
from twinstorm.scenarios.record.read import NoSuchRun, RecordedRun

FORMATS = ("md", "html", "json", "junit")

_NAMES = {"md": "report.md", "html": "report.html", "json": "result.json", "junit": "junit.xml"}


def path_of(folder: Path, form: str) -> Path:
    """Where a report of a run belongs."""
    return folder / _NAMES[form]


def render(run: RecordedRun, form: str) -> bytes:
    """One report, as it would stand in a file.

    Args:
        form: of `FORMATS`. json and junit tell a result, which a run has when it has ended.

    Raises:
        NoSuchRun: there is no result to tell.
    """
    if form in ("md", "html"):
        from twinstorm.scenarios.reports import pages
        from twinstorm.scenarios.reports.facts import facts_of

        facts = facts_of(run)
        return (pages.markdown(facts) if form == "md" else pages.html(facts)).encode()
    if run.result is None:
        state = "is still running" if run.about.state == "running" else f"has no result: {run.about.stopped}"
        raise NoSuchRun(f"run {run.folder.name} {state}", "--format md or html shows what was recorded")
    if form == "json":
        return msgspec.json.format(msgspec.json.encode(run.result), indent=2) + b"\n"
    if form == "junit":
        from twinstorm.scenarios.reports.junit import junit

        return junit([run.result])
    raise ValueError(form)


def write_reports(run: RecordedRun, forms: Sequence[str] = ("md", "html")) -> list[Path]:
    """Write reports into the run's folder, each as a whole or not at all.

    Raises:
        Unavailable: disk full or folder not writable.
        NoSuchRun: see `render`.
    """
    paths = []
    for form in forms:
        path = path_of(run.folder, form)
        write_whole(path, render(run, form))
        paths.append(path)
    return paths
