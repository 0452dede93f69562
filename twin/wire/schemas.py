"""Versions of the documents of a kind of machine, and which change of them nobody needs to fear.

A newer version may add fields that a device can leave out, widen a range, and no longer ask for a field. It may not
remove a field, change its unit, narrow its range or ask for a new one: somebody who reads the old version would
misunderstand a document, or refuse one that was good. What is compatible is read as what the core knows: fields that it
does not know are left out, those that a document lacks are silent.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final

from twinstorm.twin.flow import Channel
from twinstorm.twin.wire.documents import SCHEMA, Measurement
from twinstorm.twin.wire.layout import Layout

OUT_OF_RANGE: Final = "value out of range"


class Incompatible(ValueError):
    """A version breaks with the one before it.

    Attributes:
        problems: a sentence each.
    """

    def __init__(self, kind: str, version: int, problems: tuple[str, ...]) -> None:
        super().__init__(f"version {version} of {kind}: {'; '.join(problems)}")
        self.problems = problems


@dataclass(frozen=True)
class Schema:
    """What a document of one kind may hold in one version.

    Attributes:
        channels: name, unit and range of each field. required: names of those that every document has, as a number or
            as null.
    """

    kind: str
    version: int
    channels: tuple[Channel, ...]
    required: frozenset[str] = frozenset()

    @cached_property
    def layout(self) -> Layout:
        return Layout(self.kind, self.channels)

    @cached_property
    def by_name(self) -> Mapping[str, Channel]:
        return {channel.name: channel for channel in self.channels}


def breaks(old: Schema, new: Schema) -> tuple[str, ...]:
    """Why who reads `old` must not be sent `new`; nothing: it may be."""
    found = [f"`{name}` is removed" for name in old.by_name if name not in new.by_name]
    for name, channel in new.by_name.items():
        known = old.by_name.get(name)
        if known is None:
            if name in new.required:
                found.append(f"`{name}` is new and required: make it optional")
            continue
        if channel.unit != known.unit:
            found.append(f"`{name}` is in {channel.unit or 'no unit'} instead of {known.unit or 'none'}")
        elif channel.lowest > known.lowest or channel.highest < known.highest:
            found.append(
                f"`{name}` is narrowed from {known.lowest:g} .. {known.highest:g} "
                f"to {channel.lowest:g} .. {channel.highest:g}"
            )
        if name in new.required and name not in old.required:
            found.append(f"`{name}` was optional and is required")
    return tuple(found)


class Schemas:
    """Versions that the core reads, by kind.

    Args:
        channels: of every kind, as the registry has them: version `SCHEMA`, no field of which is required.
    """

    def __init__(self, channels: Mapping[str, tuple[Channel, ...]]) -> None:
        self._known = {kind: Schema(kind, SCHEMA, of_kind) for kind, of_kind in channels.items()}
        self._versions = {kind: {SCHEMA: schema} for kind, schema in self._known.items()}
        self._column = {
            kind: {channel.name: column for column, channel in enumerate(of_kind)} for kind, of_kind in channels.items()
        }

    def add(self, schema: Schema) -> None:
        """Read this version from now on.

        Raises:
            ValueError: the kind is unknown, or the version is not newer than all others.
            Incompatible: it breaks with the newest one.
        """
        versions = self._versions.get(schema.kind)
        if versions is None:
            raise ValueError(f"unknown kind `{schema.kind}`; there are {', '.join(sorted(self._versions))}")
        newest = versions[max(versions)]
        if schema.version <= newest.version:
            raise ValueError(f"version {schema.version} of {schema.kind} is not newer than {newest.version}")
        problems = breaks(newest, schema)
        if problems:
            raise Incompatible(schema.kind, schema.version, problems)
        versions[schema.version] = schema

    def accept(self, version: int, kinds: Iterable[str] | None = None) -> None:
        """Take documents of this number for what the newest version says; of all kinds, or of these.

        Raises:
            ValueError: as `add`.
        """
        for kind in self._versions if kinds is None else kinds:
            self.add(replace(self._versions[kind][max(self._versions[kind])], version=version))

    def reads(self, version: int) -> bool:
        """Some kind has this version."""
        return any(version in versions for versions in self._versions.values())

    def values(
        self, kind: str, version: int, measurements: Mapping[str, Measurement], battery: float | None
    ) -> tuple[float, ...] | str:
        """One number for each channel that the core knows, NaN where the document has none; or what is wrong.

        Ranges of fields that the core knows are for ingest to look at, as those of `SCHEMA`.
        """
        schema = self._versions[kind].get(version) if kind in self._versions else None
        if schema is None:
            return f"unknown schema {str(version)[:20]}"
        row = schema.layout.values(measurements, battery)
        if isinstance(row, str):
            return row
        told = {
            schema.channels[column].name
            for column, (name, axis) in enumerate(schema.layout.places)
            if _is_there(measurements, name, axis)
        }
        lacking = sorted(schema.required - told)
        if lacking:
            return f"{kind} of schema {version} lacks `{lacking[0]}`"
        known = [math.nan] * len(self._column[kind])
        for channel, value in zip(schema.channels, row, strict=True):
            column = self._column[kind].get(channel.name)
            if column is not None:
                known[column] = value
            elif not math.isnan(value) and not channel.lowest <= value <= channel.highest:
                # Nobody behind the door looks at a field that the core does not know.
                return (
                    f"{OUT_OF_RANGE}: {channel.name} {value:.6g} {channel.unit}, "
                    f"allowed {channel.lowest:g} .. {channel.highest:g}"
                )
        return tuple(known)


def _is_there(measurements: Mapping[str, Measurement], name: str, axis: str | None) -> bool:
    if name not in measurements:
        return False
    measurement = measurements[name]
    return axis is None or (isinstance(measurement, dict) and axis in measurement)
