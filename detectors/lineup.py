"""Who looks: the detectors of a run, those on sessions and silence as well as those on values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from twinstorm.detectors import contract, patterns
from twinstorm.detectors.contract import Scorer
from twinstorm.detectors.values import contract as on_values
from twinstorm.detectors.values.condition import ConditionModel
from twinstorm.detectors.values.contract import Comparing, must_be_whole
from twinstorm.detectors.values.fleet import OnFleet
from twinstorm.detectors.values.peers import OnPeers
from twinstorm.detectors.values.trained import Trained
from twinstorm.detectors.values.wear import Wear
from twinstorm.twin.flow import Registry

WORKER = "detector"
"""Setting of a name that somebody chose: the detector on values of which it is one more instance."""
SHADOW = "shadow"
"""Setting of every detector: it scores and finds, and never raises an alarm."""


def build(registry: Registry, wanted: Mapping[str, Mapping[str, Any]] | None) -> list[Scorer]:
    """Detectors of a run, sorted by name.

    Args:
        wanted: detector to its settings, as text or typed, `shadow` (true or false) among them; for those on values
            also `on` and `channels`, see `OnFleet`. A name of nobody that has a `pattern` is one of events, one that
            has a `model` a stored one, and one that has a `detector` one more of that. None: those that need not be
            named, with their defaults.

    Raises:
        ValueError: unknown detector or setting, or a value of the wrong kind; the text names what is allowed.
        PluginError: one that is named cannot be used.
    """
    if wanted is None:
        return contract.build(registry, None)
    known, known_on_values = (*contract.catalogue(), *contract.requested()), on_values.catalogue()
    found: list[Scorer] = []
    for name in sorted(wanted):
        settings = dict(wanted[name] or {})
        is_shadow = settings.pop(SHADOW, "false") in ("true", True)
        detector: Scorer
        if name in known:
            (detector,) = contract.build(registry, {name: settings})
        elif (worker := settings.pop(WORKER, name)) in known_on_values:
            kind = known_on_values[worker]
            must_be_whole(kind)
            if issubclass(kind, Comparing):
                detector = OnPeers(kind, registry, settings)
            else:
                detector = OnFleet(kind, registry, settings)
            detector.name = name
        elif "pattern" in settings:
            detector = patterns.made(name, registry, settings)
        elif "model" in settings:
            is_condition = isinstance(settings["model"].model, ConditionModel)
            detector = Wear(name, registry, settings) if is_condition else Trained(name, registry, settings)
        else:
            raise ValueError(f"unknown detector `{name}`; allowed: {', '.join((*known, *known_on_values))}")
        if is_shadow:
            detector.policy = replace(detector.policy, shadow=True)
        found.append(detector)
    return found
