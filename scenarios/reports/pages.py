"""Markdown and one-file HTML from the same facts."""

from __future__ import annotations

import re

from jinja2 import Environment, PackageLoader, StrictUndefined

from twinstorm.scenarios.reports.facts import Facts, one_line
from twinstorm.scenarios.reports.sections import Table
from twinstorm.scenarios.reports.svg import draw


def markdown(facts: Facts) -> str:
    """The report as GitHub-flavoured Markdown; charts as a table of figures."""
    page = _environment(escape=False)
    page.filters |= {"line": _markdown_line, "table": _markdown_table, "code": one_line}
    return page.get_template("report.md.j2").render(facts=facts)


def html(facts: Facts) -> str:
    """The report as one HTML file: charts inside, no script, nothing fetched."""
    page = _environment(escape=True)
    page.filters |= {"line": one_line, "code": one_line, "draw": draw}
    return page.get_template("report.html.j2").render(facts=facts)


def _environment(escape: bool) -> Environment:
    return Environment(
        loader=PackageLoader("twinstorm.scenarios.reports", ""),
        autoescape=escape,  # noqa: S701 - off for Markdown alone, whose filters escape
        undefined=StrictUndefined,
        keep_trailing_newline=True,
    )


def _markdown_line(text: str) -> str:
    """Text that means itself: what Markdown or HTML would take as a sign is escaped."""
    return re.sub(r"([\\`*_\[\]<>|])", r"\\\1", one_line(text))


def _markdown_table(table: Table) -> str:
    rule = ["---:" if column in table.numbers else "---" for column in range(len(table.head))]
    rows = [[_markdown_line(cell) for cell in row] for row in (table.head, *table.rows)]
    return "\n".join("| " + " | ".join(row) + " |" for row in (rows[0], rule, *rows[1:]))
