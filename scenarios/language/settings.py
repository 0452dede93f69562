"""Own settings of faults and detectors: what stands under `with` and `detectors`, and what people type to inject."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from twinstorm.scenarios.language import fields, values
from twinstorm.scenarios.language.errors import Problems
from twinstorm.scenarios.language.fields import NOWHERE, Field, Key, Single, Table
from twinstorm.scenarios.language.nodes import MapNode, ScalarNode
from twinstorm.scenarios.language.quantities import Count, Quantity, Rate

if TYPE_CHECKING:
    from twinstorm.scenarios.faults.base import Fault
    from twinstorm.scenarios.language.catalogue import Option


class SettingError(ValueError):
    """A setting that a fault does not have, or a value that it does not take; the text says what it does."""


def settings_table(wanted: str, options: Sequence[Option]) -> Table:
    """The keys that one fault or detector has."""
    return Table(wanted, tuple(Key(one.name, _field(one), one.summary, default=one.default) for one in options))


def _field(option: Option) -> Field:
    example = option.default
    match option.kind:
        case "duration":
            return fields.duration(example=example)
        case "share":
            return Single("a share", _share, example, values.SHARE)
        case "rate":
            return fields.rate(example=example)
        case "count":
            return fields.count(example=example)
        case "number":
            return Single("a number", values.number, example, rf"-?{values.NUMBER}", may_be_number=True)
        case "size":
            return Single("a size", values.bytes_of, example)
        case "size_rate":
            return Single("a size per time", values.bytes_per_s, example)
        case "quantity":
            return Single("a number and its unit", values.quantity, example, values.QUANTITY)
        case "word":
            return fields.words(f"value of `{option.name}`", *option.choices)
        case _:
            return Single("a text", str, example, may_be_number=True)


def _share(text: str) -> float:
    return float(values.share(text))


def plain(settings: Mapping[str, Any], devices: int) -> dict[str, Any]:
    """Settings as faults take them: rates per second and counts as numbers, for a fleet of this size."""
    return {name: _number(value, devices) for name, value in settings.items()}


def _number(value: Any, devices: int) -> Any:
    if isinstance(value, Rate):
        return float(value.per_s * devices if value.of_fleet else value.per_s)
    if isinstance(value, Quantity):
        return float(value.value), value.unit
    return value.for_fleet(devices) if isinstance(value, Count) else value


def fault_settings(fault: type[Fault], given: Mapping[str, str], devices: int = 1) -> dict[str, Any]:
    """All settings of a fault, checked and typed: the given ones, defaults for the rest.

    Args:
        given: as people write them.
        devices: size of the fleet, which shares of it refer to.

    Raises:
        SettingError: with what is wrong and what to write instead.
    """
    table = settings_table(f"the settings of `{fault.name}`", fault.settings)
    problems = Problems()
    entries = {name: ScalarNode(name, NOWHERE, NOWHERE, text) for name, text in given.items()}
    record = table.read(MapNode("", NOWHERE, NOWHERE, dict(entries)), problems)
    if problems.found:
        raise SettingError("; ".join(f"{one.message}. {one.advice}".strip() for one in problems.found))
    return plain({key.name: record.value(key.name) for key in table.keys}, devices)
