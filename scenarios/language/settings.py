"""Own settings of faults and detectors: what stands under `with` and `detectors`, and what people type to inject."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from twinstorm.scenarios.language import fields, patterns, values
from twinstorm.scenarios.language.errors import Problems, Refused, quoted
from twinstorm.scenarios.language.fields import (
    BAD,
    NOWHERE,
    Field,
    Key,
    Record,
    Single,
    Table,
    refused,
    scalar_text,
    wrong,
)
from twinstorm.scenarios.language.nodes import MapNode, Node, ScalarNode
from twinstorm.scenarios.language.quantities import Count, Quantity, Rate
from twinstorm.scenarios.language.stored import ModelName
from twinstorm.twin.units import Measured, UnitError, value_in

if TYPE_CHECKING:
    from twinstorm.scenarios.faults.base import Fault
    from twinstorm.scenarios.language.catalogue import Option


class SettingError(ValueError):
    """A setting that a fault does not have, or a value that it does not take; the text says what it does."""


def settings_table(wanted: str, options: Sequence[Option]) -> Table:
    """The keys that one fault or detector has."""
    return Table(wanted, tuple(Key(one.name, _field(one), one.summary, default=one.default) for one in options))


def _field(option: Option) -> Field:
    example, bounds = option.default, (option.least, option.most)
    match option.kind:
        case "duration":
            return fields.duration(*bounds, example=example)
        case "share":
            return Single("a share", _share, example, values.SHARE, *bounds)
        case "rate":
            return fields.rate(*bounds, example=example)
        case "count":
            return fields.count(*bounds, example=example)
        case "number":
            return Single("a number", values.number, example, rf"-?{values.NUMBER}", *bounds, may_be_number=True)
        case "size":
            return Single("a size", values.bytes_of, example, "", *bounds)
        case "size_rate":
            return Single("a size per time", values.bytes_per_s, example, "", *bounds)
        case "quantity":
            return Single("a number and its unit", values.quantity, example, values.QUANTITY, *bounds)
        case "pattern":
            return Single("a pattern of events", patterns.parse, "disconnect then connect within 5 s")
        case "model":
            return ModelName()
        case "word":
            return fields.words(f"value of `{option.name}`", *option.choices)
        case _:
            return Single("a text", str, example, may_be_number=True)


class Parameter(Measured, Protocol):
    """A parameter of a kind of machine; see `twinstorm.twin.machines.kind.Quantity`."""

    @property
    def key(self) -> str: ...
    @property
    def summary(self) -> str: ...


def parameters_table(kind: str, parameters: Sequence[Parameter]) -> Table:
    """The keys under `machine` of a segment of this kind."""
    return Table(
        f"a mapping of parameters of `{kind}`",
        tuple(Key(one.key, ParameterField(one), one.summary) for one in parameters),
    )


@dataclass(frozen=True)
class ParameterField(Field):
    """A value or a range of values of one parameter; read to (lowest, highest) in its own unit."""

    parameter: Parameter

    def read(self, node: Node, problems: Problems) -> Any:
        text = scalar_text(node, problems, "a value with its unit", self._shown(self.parameter.highest))
        if text is None:
            return BAD
        assert isinstance(node, ScalarNode)
        try:
            ends = [self._value(part.strip()) for part in text.split("..", 1)]
        except Refused as reason:
            problems.add(refused(node, reason))
            return BAD
        low, high = ends[0], ends[-1]
        lowest, highest = self.parameter.lowest, self.parameter.highest
        if low > high:
            problems.add(wrong(node, "S209", f"the range {quoted(text)} ends before it begins", "exchange its ends"))
        elif low < lowest or high > highest:
            end = "less" if low < lowest else "more"
            bound = self._shown(lowest if low < lowest else highest)
            hint = f"allowed: {self._shown(lowest)} .. {self._shown(highest)}"
            problems.add(wrong(node, "S210", f"{quoted(text)} is {end} than {bound}", hint))
        else:
            return low, high
        return BAD

    def _value(self, text: str) -> float:
        one = self.parameter
        if one.unit in ("", "1"):
            return float(values.share(text)) if text.endswith("%") else values.number(text)
        try:
            written = values.quantity(text)
            return value_in(one, float(written.value), written.unit)
        except Refused as reason:
            # An example in another unit would not help.
            reason.hint = (
                f"`{one.key}` is in {one.unit}; allowed: {self._shown(one.lowest)} .. {self._shown(one.highest)}"
            )
            raise
        except UnitError:
            raise Refused(
                "S208", f"`{one.key}` is in {one.unit}, not in {written.unit}", f"write `{text.split()[0]} {one.unit}`"
            ) from None

    def _shown(self, value: float) -> str:
        return f"{value:g}" if self.parameter.unit in ("", "1") else f"{value:g} {self.parameter.unit}"

    def json_schema(self) -> dict[str, Any]:
        return {"type": ["string", "number"]}


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
    return plain(of_record(record), devices)


def of_record(record: Record) -> dict[str, Any]:
    """What a record of settings says of each, or its default; None: it could not be read."""
    keys = record.table.keys
    # A text may be empty by default: nothing else has no default.
    return {key.name: record.value(key.name) if record.has(key.name) or key.default else "" for key in keys}
