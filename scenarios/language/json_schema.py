"""JSON Schema of the language, for editors: keys, names and how values are written. The reader remains the judge."""

from __future__ import annotations

from typing import Any

from twinstorm.scenarios.faults.base import Fault
from twinstorm.scenarios.language import catalogue
from twinstorm.scenarios.language.expectations import MOST_EXPECTATIONS
from twinstorm.scenarios.language.fields import Table
from twinstorm.scenarios.language.schema import FORMS, LANGUAGE, SCENARIO, STEP
from twinstorm.scenarios.language.settings import settings_table
from twinstorm.scenarios.language.steps import MOST_STEPS

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def json_schema() -> dict[str, Any]:
    """The schema as a document of its own; names of faults, machines and detectors are those that are installed."""
    schema = SCENARIO.json_schema()
    properties = schema["properties"]
    properties["steps"] |= {"type": "array", "maxItems": MOST_STEPS, "items": _step()}
    properties["expect"] |= {"type": "array", "maxItems": MOST_EXPECTATIONS, "items": _expectation()}
    return {
        "$schema": DIALECT,
        "title": f"twinstorm scenario, version {LANGUAGE} of the language",
        **schema,
    }


def _step() -> dict[str, Any]:
    step = STEP.json_schema()
    actions = ["fault", "end", "mark", "expect"]
    return step | {
        "oneOf": [{"required": ["at"]}, {"required": ["after"]}],
        "anyOf": [{"required": [action]} for action in actions],
        "allOf": [_settings_of(fault) for fault in catalogue.faults().working().values()],
    }


def _settings_of(fault: type[Fault]) -> dict[str, Any]:
    """Under `with` stand the settings of the fault that is named, and of no other."""
    name = fault.name
    table: Table = settings_table(f"the settings of `{name}`", fault.settings)
    then: dict[str, Any] = {"properties": {"with": table.json_schema()}}
    if fault.needs_target:
        then["required"] = ["target"]
    return {"if": {"properties": {"fault": {"const": name}}, "required": ["fault"]}, "then": then}


def _expectation() -> dict[str, Any]:
    """One form or another; the key of the form must be there."""
    forms = []
    for form, table in FORMS.items():
        schema = table.json_schema()
        required = dict.fromkeys([form, *schema.get("required", ())])
        forms.append(schema | {"required": list(required)})
    return {"oneOf": forms}
