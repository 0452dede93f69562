"""A stored model at work on a fleet, whatever it tells: which devices it looks at, and under which name.

A scenario names it as it names a pattern of events: a name of its own with a `model` under it. It learns nothing while
it looks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from twinstorm.detectors.options import Option
from twinstorm.detectors.values.contract import ValueDetector
from twinstorm.detectors.values.fleet import OnFleet
from twinstorm.twin.flow import Mask, Registry

MODEL: Final = Option("model", "model", "", "NAME or NAME@VERSION in the store; without a version the live one")


class Learned(Protocol):
    """What was learnt of the devices of one kind, whatever can be told by it."""

    @property
    def kind(self) -> str:
        """Of machine."""
        ...

    @property
    def channels(self) -> tuple[str, ...]:
        """Names, in the order of its rows."""
        ...

    @property
    def held(self) -> int:
        """Values of a channel that windows of minutes hold; 0: it has none."""
        ...

    def arrays(self) -> dict[str, NDArray[Any]]:
        """All parameters by name, without objects."""
        ...

    def digest(self) -> str:
        """SHA-256 of all parameters, hexadecimal."""
        ...


@dataclass(frozen=True, slots=True)
class Version:
    """A model and what it is called: ``pumps@2``."""

    name: str
    number: int
    model: Learned

    def __str__(self) -> str:
        return f"{self.name}@{self.number}"

    @property
    def kind(self) -> str:
        return self.model.kind

    @property
    def channels(self) -> tuple[str, ...]:
        return self.model.channels

    @property
    def held(self) -> int:
        """Values of a channel that it keeps; 0: as few as models do."""
        return self.model.held


def kind_watched(version: Version, registry: Registry, on: Mask | None) -> Mask:
    """bool (n,): the devices of the kind of a model, of those that are meant (None: all).

    Raises:
        ValueError: nothing in this fleet has all channels of the model.
    """
    model = version.model
    if model.kind not in registry.kinds:
        raise ValueError(f"the model `{version}` is of kind `{model.kind}`, and no device of this fleet is one")
    told = [channel.name for channel in registry.channels[model.kind] if channel.name in model.channels]
    if tuple(told) != model.channels:
        raise ValueError(
            f"the model `{version}` wants channels {', '.join(model.channels)}, in this order; "
            f"`{model.kind}` has {', '.join(channel.name for channel in registry.channels[model.kind])}"
        )
    mine: Mask = registry.kind == registry.kinds.index(model.kind)
    return mine if on is None else mine & on


class ByModel(OnFleet):
    """A stored model as a detector of the devices of its kind. Devices of other kinds it does not look at.

    Attributes:
        devices: how many it looks at.
    """

    def __init__(self, inner: type[ValueDetector], name: str, registry: Registry, settings: Mapping[str, Any]) -> None:
        """
        Args:
            inner: what makes rows and asks the model, which it has as its setting `model`.
            name: that of its alarms.
            settings: `inner.fleet_options()`, `model` being a `Version`; `on`: bool (n,), whom, None: all of its kind.

        Raises:
            ValueError: a setting that it does not have, or nothing in this fleet has all channels of the model.
        """
        version: Version = settings["model"]
        mine = kind_watched(version, registry, settings.get("on"))
        super().__init__(inner, registry, {**settings, "on": mine, "channels": list(version.channels)})
        self.name, self.version = name, version
        self.whom: NDArray[np.intp] = np.flatnonzero(mine)
        self.devices = len(self.whom)
