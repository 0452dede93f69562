"""Stored models that a scenario names: ``pump-watch: {model: pumps@2, store: models}`` under `detectors`.

Before anything else is read each of them is looked up (`insert_models`): which version is live is decided then, and the
scenario goes on with that one, so that a record says which it was.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from twinstorm.scenarios.language.errors import Problems, quoted
from twinstorm.scenarios.language.fields import BAD, Field, Record, scalar_text, wrong
from twinstorm.scenarios.language.model import Fleet
from twinstorm.scenarios.language.nodes import BrokenNode, MapNode, Node, ScalarNode

if TYPE_CHECKING:
    from twinstorm.scenarios.models.manifest import Stored

MODEL: Final = "model"
"""The setting that makes a name one of a stored model."""
WHERE: Final = "store"
"""The folder of it, relative to the scenario."""
STORE: Final = "models"
"""Of the folder, where nothing is said."""


@dataclass(eq=False)
class StoredNode(ScalarNode):
    """The name of a model that was looked up."""

    stored: Stored | None = None


class ModelName(Field):
    """The name of a stored model; read to a `Stored`."""

    def read(self, node: Node, problems: Problems) -> Any:
        if isinstance(node, StoredNode):
            return node.stored
        if scalar_text(node, problems, "the name of a model", "pumps@2") is None:
            return BAD
        raise AssertionError("models are looked up before anything is read")

    def json_schema(self) -> dict[str, Any]:
        return {"type": "string"}


def insert_models(root: MapNode, folder: str, problems: Problems) -> bool:
    """Put what a store has where a scenario names it. Returns whether there is any.

    Args:
        folder: of the scenario.
    """
    found: dict[str, Stored] = {}
    for settings in _owners(root):
        node = settings.entries[MODEL]
        where = settings.entries.pop(WHERE, None)
        if not isinstance(node, ScalarNode) or node.is_absent:
            continue
        if where is not None and (not isinstance(where, ScalarNode) or not where.text.strip()):
            problems.add(wrong(where, "S108", "a store is the name of a folder", f"write `{WHERE}: {STORE}`"))
            settings.entries[MODEL] = BrokenNode(node.path, node.place, node.key_place)
            continue
        store = Path(os.path.join(folder, where.text.strip() if where is not None else STORE))  # noqa: PTH118 - as typed
        settings.entries[MODEL] = _looked_up(node, store, found, problems)
    return bool(found)


def _owners(root: MapNode) -> Iterator[MapNode]:
    """Settings of detectors in which a model is named."""
    detectors = root.entries.get("detectors")
    for settings in detectors.entries.values() if isinstance(detectors, MapNode) else ():
        if isinstance(settings, MapNode) and MODEL in settings.entries:
            yield settings


def _looked_up(node: ScalarNode, store: Path, found: dict[str, Stored], problems: Problems) -> Node:
    # Only a scenario that names a model loads what reads manifests.
    from twinstorm.scenarios.models.manifest import NoSuchModel, find

    try:
        stored = find(store, node.text.strip())
    except NoSuchModel as error:
        hint = error.hint or ("" if error.allowed else f"a store is a folder beside the scenario; `{WHERE}` is another")
        problems.add(wrong(node, "S116", error.what, hint, allowed=error.allowed, suggestion=error.meant))
        return BrokenNode(node.path, node.place, node.key_place)
    before = found.setdefault(str(stored), stored)
    if before.manifest != stored.manifest:
        message = f"two stores have a model {quoted(str(stored))}, and they are not the same"
        problems.add(wrong(node, "S212", message, "a record keeps one of a name: take both from one store"))
    return StoredNode(node.path, node.place, node.key_place, str(stored), stored=stored)


def tells_conditions(node: Node) -> bool:
    """Whether the model that these settings of a detector name tells conditions; False where none was found."""
    model = node.entries.get(MODEL) if isinstance(node, MapNode) else None
    return isinstance(model, StoredNode) and model.stored is not None and model.stored.manifest.task == "condition"


def models_of(detectors: Mapping[str, Mapping[str, Any]] | None) -> dict[str, Stored]:
    """Detectors of a scenario that use a stored model, and which."""
    return {name: given[MODEL] for name, given in (detectors or {}).items() if MODEL in given}


def check_kinds(scenario: Record, fleet: Fleet, problems: Problems) -> None:
    """Tell of models of kinds that the fleet does not have."""
    chosen = scenario.own("detectors")
    node = scenario.at("detectors") if chosen else None
    kinds = sorted({segment.kind for segment in fleet.segments})
    for name, given in chosen.items() if isinstance(node, MapNode) else ():
        stored: Stored | None = given.get(MODEL)
        settings = node.entries[name] if isinstance(node, MapNode) else None
        if stored is None or not isinstance(settings, MapNode) or stored.manifest.kind in kinds:
            continue
        message = f"{quoted(str(stored))} is a model of `{stored.manifest.kind}`, and no machine of the fleet is one"
        hint = f"the fleet has {', '.join(f'`{kind}`' for kind in kinds)}"
        problems.add(wrong(settings.entries[MODEL], "S309", message, hint))
