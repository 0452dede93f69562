"""A store of models: versions are written once, and one of each name is live.

Parameters are arrays in NumPy's own format and are read without its pickles, so that a store from somewhere else can
run nothing here; what was read must have the digest that the manifest names. Same parameters, same bytes.
"""

from __future__ import annotations

import io
import math
import tokenize
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
from numpy.lib.format import read_array, read_array_header_1_0, read_array_header_2_0, read_magic
from numpy.typing import NDArray

from twinstorm.detectors.values.condition import ConditionModel
from twinstorm.detectors.values.model import Model, UnfitModelError
from twinstorm.detectors.values.stored import Learned
from twinstorm.scenarios.engine.errors import Unavailable
from twinstorm.scenarios.models.manifest import (
    ANOMALY,
    CONDITION,
    STATE,
    Manifest,
    NoSuchModel,
    State,
    Stored,
    find,
    names,
    parts_of,
    state_of,
    versions,
)
from twinstorm.scenarios.record.folder import no_room, write_whole

MOST_PARAMETERS_BYTES: Final = 1 << 28
"""Unpacked. Those of a model of 20,000 rows of 120 features take 20 MB."""

_SORTS: Final[Mapping[str, Callable[[str, tuple[str, ...], Mapping[str, NDArray[Any]]], Learned]]] = {
    ANOMALY: Model.of_arrays,
    CONDITION: ConditionModel.of_arrays,
}

_DAMAGE: Final = (
    OSError,
    ValueError,
    KeyError,
    IndexError,
    SyntaxError,
    EOFError,
    MemoryError,
    RuntimeError,
    NotImplementedError,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)
"""What reading bytes that are no parameters has been seen to raise."""


def load(stored: Stored) -> Learned:
    """Its parameters.

    Raises:
        NoSuchModel: the file is not there, is no such file, or not the one that the manifest means.
    """
    path, manifest = stored.parameters, stored.manifest
    try:
        arrays = _arrays(path)
        model = _SORTS[manifest.task](manifest.kind, manifest.channels, arrays)
    except NoSuchModel:
        raise
    except _DAMAGE as error:
        reason = str(error) if isinstance(error, UnfitModelError) else getattr(error, "strerror", None) or str(error)
        raise NoSuchModel(f"the parameters of {stored} in {path} cannot be read: {reason}", "train it again") from None
    if model.digest() != manifest.parameters:
        raise NoSuchModel(f"{path} does not hold the parameters of {stored}: its digest is another", "train it again")
    return model


def _arrays(path: Path) -> dict[str, NDArray[Any]]:
    """What is in a file of arrays; objects are refused, and so is what unpacks to more than it may."""
    with zipfile.ZipFile(path) as packed:
        if sum(each.file_size for each in packed.infolist()) > MOST_PARAMETERS_BYTES:
            raise NoSuchModel(f"{path} is larger than parameters can be", "look whether this is the right file")
        arrays = {}
        for each in packed.infolist():
            with packed.open(each) as stream:
                arrays[each.filename.removesuffix(".npy")] = _array(stream.read())
        return arrays


def _array(written: bytes) -> NDArray[Any]:
    """One array; a header that promises more than there is would be believed with memory.

    Raises:
        ValueError: it is none, or holds objects.
    """
    stream = io.BytesIO(written)
    version = read_magic(stream)
    header = read_array_header_1_0 if version == (1, 0) else read_array_header_2_0
    shape, _, dtype = header(stream)
    if math.prod(shape) * dtype.itemsize != len(written) - stream.tell():
        raise ValueError("an array is not as long as its header says")
    stream.seek(0)
    return np.asarray(read_array(stream, allow_pickle=False))


def save(store: Path, name: str, model: Learned, manifest: Callable[[int], Manifest]) -> Stored:
    """Write the next version of a name. The first one is live at once.

    Args:
        manifest: of a number.

    Raises:
        NoSuchModel: `name` is none.
        Unavailable: disk full, or folder not writable.
    """
    if parts_of(name) != (name, None):
        raise NoSuchModel(f"`{name}` cannot be the name of a model", "versions get their numbers by themselves")
    state = state_of(store, name) if name in names(store) else State()
    stored = Stored(store, manifest(state.newest + 1))
    _write(stored, model)
    number = stored.manifest.version
    _write_state(store, name, State(live=state.live or (number,), newest=number))
    return stored


def needed(stored: Stored) -> Learned:
    """Its parameters, for a run that cannot do without.

    Raises:
        Unavailable: they cannot be read.
    """
    try:
        return load(stored)
    except NoSuchModel as error:
        raise Unavailable(f"the model {stored}", error.what, error.hint) from None


def copy(stored: Stored, model: Learned, store: Path) -> None:
    """Keep a version in another store as well, as the live one of its name: that of a run's record.

    Raises:
        Unavailable: as `save`.
    """
    number = stored.manifest.version
    _write(stored, model, store)
    _write_state(store, stored.manifest.name, State(live=(number,), newest=number))


def promote(store: Path, label: str) -> Stored:
    """Let a version be the live one.

    Raises:
        NoSuchModel: there is none, it is live already, or no version is named.
    """
    name, number = parts_of(label)
    stored, state = find(store, label), state_of(store, name)
    if number is None:
        raise NoSuchModel("which version?", f"write one of {', '.join(_labels(store, name))}")
    if state.live[-1:] == (number,):
        raise NoSuchModel(f"{stored} is live already")
    _write_state(store, name, State(live=(*state.live, number), newest=state.newest))
    return stored


def roll_back(store: Path, name: str) -> Stored:
    """Let the version that was live before be it again.

    Raises:
        NoSuchModel: there is no such name, or there was none before.
    """
    state = state_of(store, name)
    there = set(versions(store, name))
    before = [number for number in state.live[:-1] if number in there]
    if not before:
        raise NoSuchModel(
            f"no version of `{name}` was live before {f'{name}@{state.live[-1]}' if state.live else 'now'}",
            f"choose one: twinstorm models promote {name}@VERSION",
        )
    _write_state(store, name, State(live=tuple(before), newest=state.newest))
    return find(store, name)


def delete(store: Path, label: str) -> None:
    """Take a version out of the store for good; its number is not given again.

    Raises:
        NoSuchModel: there is none, or it is live.
    """
    name, number = parts_of(label)
    if number is None:
        raise NoSuchModel("which version?", f"write one of {', '.join(_labels(store, name))}")
    stored, state = find(store, label), state_of(store, name)
    if state.live[-1:] == (number,):
        raise NoSuchModel(f"{stored} is live", f"promote another one first: {', '.join(_labels(store, name))}")
    rest = [each for each in state.live if each != number]
    live = tuple(each for place, each in enumerate(rest) if rest[place - 1 : place] != [each])
    _write_state(store, name, State(live=live, newest=state.newest))
    (store / name / f"{number}.json").unlink()
    stored.parameters.unlink(missing_ok=True)


def _labels(store: Path, name: str) -> list[str]:
    return [f"{name}@{number}" for number in versions(store, name)]


def _write(stored: Stored, model: Learned, store: Path | None = None) -> None:
    manifest = stored.manifest
    folder = (store or stored.store) / manifest.name
    _make(folder)
    packed = io.BytesIO()
    np.savez(packed, allow_pickle=False, **model.arrays())
    write_whole(folder / f"{manifest.version}.npz", packed.getvalue())
    # Last: it makes the version one.
    write_whole(folder / f"{manifest.version}.json", _document(manifest))


def _write_state(store: Path, name: str, state: State) -> None:
    write_whole(store / name / STATE, _document(state))


def _document(written: msgspec.Struct) -> bytes:
    return msgspec.json.format(msgspec.json.encode(written), indent=2) + b"\n"


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise no_room(folder, error) from error
