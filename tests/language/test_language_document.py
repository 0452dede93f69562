"""docs/language.md is right and complete: its examples are read, and every word of the language stands in it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from twinstorm.scenarios.language import catalogue, schema
from twinstorm.scenarios.language.errors import Problems, Source
from twinstorm.scenarios.language.fields import walk
from twinstorm.scenarios.language.nodes import MapNode, compose
from twinstorm.scenarios.language.reader import read
from twinstorm.scenarios.language.selectors import FIXED_KEYS, MOMENT_KEYS, STATES
from twinstorm.scenarios.language.writing import dump

DOCUMENT = (Path(__file__).resolve().parents[2] / "docs" / "language.md").read_text()
EXAMPLES = re.findall(r"^```yaml\n(.*?)^```$", DOCUMENT, re.MULTILINE | re.DOTALL)
WHOLE = EXAMPLES[0]


def mapping(text: str) -> MapNode:
    problems = Problems()
    node = compose(Source("language.md", text), problems)
    assert not problems.found
    assert isinstance(node, MapNode)
    return node


def test_the_first_example_is_a_whole_scenario() -> None:
    assert read(WHOLE, "two-sites.storm.yaml").name == "two-sites"


@pytest.mark.parametrize("example", EXAMPLES[1:], ids=lambda text: text.split(":")[0])
def test_every_other_example_fits_into_the_first(example: str) -> None:
    scenario, part = mapping(WHOLE), mapping(example)
    scenario.entries |= part.entries
    for key, needs in (("fleet", ("steps", "expect")), ("steps", ("expect",))):
        # What refers to the sites or steps of the first example leaves with them.
        for left in needs if key in part.entries else ():
            del scenario.entries[left]
    read(dump(scenario), "two-sites.storm.yaml")


def words() -> dict[str, str]:
    """Every word of the language and where it comes from."""
    found = dict.fromkeys((*FIXED_KEYS, *MOMENT_KEYS), "key of selectors")
    found |= dict.fromkeys(STATES, "state") | dict.fromkeys(("share", "first"), "part")
    for table in (schema.SCENARIO, schema.STEP, *schema.FORMS.values()):
        found |= {key.name: path for path, key in walk(table)}
    for form in (*schema.FORMS, *schema.LATER_FORMS):
        found[form] = "form"
    for names in (
        catalogue.SLIS,
        catalogue.COUNTERS,
        catalogue.FUNCTIONS,
        catalogue.COUNTS,
        catalogue.LEDGER,
        catalogue.LINKS,
        catalogue.BROKER_MODELS,
        catalogue.KINDS,
        catalogue.ALARMS,
        catalogue.faults(),
        catalogue.SEVERITIES,
    ):
        found |= dict.fromkeys(names, "name")
    for fault in catalogue.faults().values():
        found |= {setting.name: fault.name for setting in fault.settings}
    return found


@pytest.mark.parametrize("word", sorted(words()))
def test_every_word_of_the_language_is_documented(word: str) -> None:
    spans = re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", DOCUMENT, flags=re.DOTALL))
    assert any(re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", span) for span in spans), words()[word]


def test_defaults_in_the_document_are_those_of_the_schema() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| ([^|]*?) \|", DOCUMENT, re.MULTILINE))
    for table in (schema.FLEET, schema.RECONNECT):
        for key in table.keys:
            if key.default:
                assert rows[key.name].strip("`") == key.default, key.name
