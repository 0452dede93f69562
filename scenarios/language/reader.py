"""From a file to a checked scenario, or to everything that is wrong with it at once.

    load("reboot-storm", settings=["fleet.reconnect.jitter=none"], devices=200)

An argument with a ``/`` or ending in ``.yaml`` is a path, any other a name in the library.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

from twinstorm.scenarios.faults.base import misfit
from twinstorm.scenarios.language import catalogue
from twinstorm.scenarios.language.certificates import WATCH, are_dated, check_watch
from twinstorm.scenarios.language.errors import (
    Place,
    Problem,
    Problems,
    ScenarioErrors,
    Source,
    closest,
    listed,
    quoted,
    thousands,
)
from twinstorm.scenarios.language.expectations import (
    check_expectation,
    check_raised,
    check_verdicts,
    read_expectations,
)
from twinstorm.scenarios.language.expressions import Expression, look_ups
from twinstorm.scenarios.language.fields import BAD, Record, unusable, wrong
from twinstorm.scenarios.language.fleets import known_values, read_fleet
from twinstorm.scenarios.language.joins import alarms_of_joins, read_correlations, read_joins
from twinstorm.scenarios.language.model import (
    Broker,
    Correlation,
    Fleet,
    Join,
    Maintenance,
    Objective,
    Processing,
    Route,
    Scenario,
    Stop,
    Window,
)
from twinstorm.scenarios.language.nodes import MOST_BYTES, ListNode, MapNode, Node, ScalarNode, compose
from twinstorm.scenarios.language.objectives import BURN_SUFFIX, burn_alarms, check_burning, read_objectives
from twinstorm.scenarios.language.overrides import Setting, apply_devices, apply_setting
from twinstorm.scenarios.language.processing import check_processed, read_processing, read_stamps
from twinstorm.scenarios.language.reach import Reach, WhyNone, why_none_of
from twinstorm.scenarios.language.routes import alarms_of_routes, read_routes
from twinstorm.scenarios.language.schema import LANGUAGE, SCENARIO
from twinstorm.scenarios.language.selectors import FIXED_KEYS, Selector
from twinstorm.scenarios.language.settings import plain
from twinstorm.scenarios.language.steps import SELECTING, carried, read_steps
from twinstorm.scenarios.language.stored import check_kinds, insert_models
from twinstorm.scenarios.language.streams import (
    check_figures,
    check_silences,
    named_of,
    read_continuity,
    read_windows,
)
from twinstorm.scenarios.language.timeline import Timeline
from twinstorm.scenarios.language.upkeep import check_maintained, read_maintenance
from twinstorm.scenarios.language.watching import (
    check_alarm_names,
    check_alarms_of_patterns,
    check_channels,
    chosen_names_of,
    drift_alarms_of,
    selectors_of,
)
from twinstorm.scenarios.language.wires import insert_files
from twinstorm.scenarios.language.writing import dump
from twinstorm.twin.plugins import PluginError

SUFFIX = ".storm.yaml"
RECORDED = "scenario"
"""Stem of the copy that a run's record keeps; it has the name of the scenario inside only."""

LIBRARY = "twinstorm.scenarios.library"
IN_LIBRARY = "library:"
"""Before the names of what is in it."""


# --- finding ----------------------------------------------------------------------------------------------------------


def library_names() -> tuple[str, ...]:
    """Names of the scenarios that come with twinstorm, sorted."""
    return tuple(sorted(_library()))


def _library() -> Mapping[str, Traversable]:
    entries = ((entry.name, entry) for entry in files(LIBRARY).iterdir())
    return {name.removesuffix(SUFFIX): entry for name, entry in entries if name.endswith(SUFFIX)}


def load(
    path_or_name: str | os.PathLike[str], settings: Sequence[str | Setting] = (), devices: int | None = None
) -> Scenario:
    """Read a scenario.

    Args:
        path_or_name: a path, or a name in the library.
        settings: each ``PATH=VALUE``, applied in order.
        devices: in place of the file's ``fleet.devices``.

    Raises:
        ScenarioErrors: everything that is wrong with the file and the settings.
    """
    given = os.fspath(path_or_name)
    if not isinstance(path_or_name, str) or given.endswith(".yaml") or "/" in given or os.sep in given:
        return read(_bytes_of(given), given, settings, devices)
    library = _library()
    if given not in library:
        names = tuple(sorted(library))
        suggestion = closest(given, names)
        hint = f"library: {listed(names, 20)}; a file is written with a `/` or `.yaml`"
        message, nowhere = f"there is no scenario {quoted(given)} in the library", Place(Source(given, ""))
        problem = Problem("S111", message, nowhere, "", given, names, suggestion, hint)
        raise ScenarioErrors((problem,))
    return read(library[given].read_bytes(), f"{IN_LIBRARY}{given}", settings, devices)


def _bytes_of(path: str) -> bytes:
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - a path that names no file is told as the user typed it
            return file.read(MOST_BYTES + 1)
    except FileNotFoundError:
        message, hint = "there is no such file", "`twinstorm list` names the scenarios of the library"
    except IsADirectoryError:
        message, hint = "this is a folder", f"name a file in it: `{os.path.join(path, '')}NAME{SUFFIX}`"  # noqa: PTH118
    except (OSError, ValueError) as error:
        message = f"the file cannot be read: {getattr(error, 'strerror', None) or error}"
        hint = "look at its name, and at who may read it"
    raise ScenarioErrors((Problem("S111", message, Place(Source(path, "")), hint=hint),))


def read(data: bytes | str, path: str, settings: Sequence[str | Setting] = (), devices: int | None = None) -> Scenario:
    """Read a scenario that is in memory already.

    Args:
        path: what to call it, in errors and in `Scenario.path`.

    Raises:
        ScenarioErrors: as `load`.
    """
    source = Source(path, _text_of(data, path))
    problems = Problems()
    root = compose(source, problems)
    if root is None and not problems.found:
        problems.add(Problem("S105", "the file is empty", Place(source), hint=_FIRST_LINES))
    if root is not None and not isinstance(root, MapNode):
        problems.add(wrong(root, "S108", "a scenario is a mapping", _FIRST_LINES))
    if not isinstance(root, MapNode):
        raise _as_errors(problems)
    for setting in settings:
        apply_setting(root, Setting(setting) if isinstance(setting, str) else setting, problems)
    if devices is not None:
        apply_devices(root, devices)
    _check_language(root, problems)
    has_files = insert_files(root, partial(_beside, path), problems)
    folder = "" if path.startswith(IN_LIBRARY) else os.path.dirname(path)  # noqa: PTH120 - told as the user typed it
    has_models = insert_models(root, folder, problems)
    resolved = dump(root) if settings or devices is not None or has_files or has_models else source.text
    return _Assembly(root, problems, path).scenario(resolved)


def _beside(scenario: str, name: str) -> Source:
    """A file that a scenario names.

    Raises:
        OSError: it is not there, or cannot be read.
        ValueError: it is no text, or too long.
    """
    if scenario.startswith(IN_LIBRARY):
        data, shown = (files(LIBRARY) / name).read_bytes(), f"{IN_LIBRARY}{name}"
    else:
        shown = os.path.join(os.path.dirname(scenario), name)  # noqa: PTH118, PTH120 - told as the user typed it
        with open(shown, "rb") as file:  # noqa: PTH123
            data = file.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise ValueError(f"it is larger than {thousands(MOST_BYTES)} bytes")
    try:
        return Source(shown, data.decode().removeprefix("\ufeff"))
    except UnicodeDecodeError:
        raise ValueError("it is not UTF-8") from None


_FIRST_LINES = "begin with `storm: 1`, `name`, `story`, `duration` and `fleet`"


def _as_errors(problems: Problems) -> ScenarioErrors:
    try:
        problems.check()
    except ScenarioErrors as errors:
        return errors
    raise AssertionError("called without a problem")


def _text_of(data: bytes | str, path: str) -> str:
    if isinstance(data, str):
        data = data.encode(errors="surrogatepass")
    if len(data) > MOST_BYTES:
        message = f"the file is larger than {thousands(MOST_BYTES)} bytes: this is no scenario"
        hint = "look whether this is the right file"
        raise ScenarioErrors((Problem("S111", message, Place(Source(path, "")), hint=hint),))
    try:
        return data.decode().removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        message = f"the file is not UTF-8: byte {error.start:,}, in line {line:,}, is {data[error.start]:#04x}"
        raise ScenarioErrors((Problem("S111", message, Place(Source(path, "")), hint="save it as UTF-8"),)) from None


def _check_language(root: MapNode, problems: Problems) -> None:
    """A file in another version of the language is not read on: every line of it could mean something else."""
    node = root.entries.get("storm")
    if not isinstance(node, ScalarNode) or node.is_absent:
        return
    if node.text.strip() != LANGUAGE:
        message = f"this is version {quoted(node.text.strip())} of the language"
        hint = f"this twinstorm reads version {LANGUAGE}: write `storm: {LANGUAGE}`"
        problems.add(wrong(node, "S112", message, hint, allowed=(LANGUAGE,)))
        raise _as_errors(problems)
    if next(iter(root.entries)) != "storm":
        problems.add(wrong(node, "S112", "`storm` is not the first key", "move it to the first line", node.key_place))


# --- assembling -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Use:
    """A selector of the file and where it stands.

    Attributes:
        at_any_moment: it may ask for the state of the moment.
    """

    selector: Selector
    node: Node
    at_any_moment: bool = False


class _Assembly:
    """The parts of a scenario. Each is read as far as it goes, so that everything is told at once."""

    def __init__(self, root: MapNode, problems: Problems, path: str) -> None:
        self._problems, self._path = problems, path
        record = SCENARIO.read(root, problems)
        assert record is not BAD, "the root is a mapping"
        self._record: Record = record
        self._check_name()
        self._warm_up_us = self._read_warm_up()
        steps, self._knows_all_steps = read_steps(record.own("steps"), problems)
        firmware: Mapping[str, Record] = record.own("firmware") or {}
        run = known_values(record.part("fleet")).get("firmware", ())
        self._steps = [*carried(firmware, run, self._warm_up_us or 0, problems), *steps]
        self._expectations = read_expectations(record.own("expect"), problems)

    def scenario(self, resolved: str) -> Scenario:
        """The scenario.

        Raises:
            ScenarioErrors: if anything is wrong with it.
        """
        record, problems = self._record, self._problems
        firmware: Mapping[str, Record] = record.own("firmware") or {}
        fleet = read_fleet(record.own("fleet"), firmware, problems) if record.own("fleet") is not None else None
        objectives = read_objectives(record.own("objectives") or {}, problems)
        self._check_references()
        self._check_selectors(fleet)
        maintenance: Maintenance | None = None
        processing: Processing | None = None
        windows: Sequence[Window] = ()
        joins: Sequence[Join] = ()
        correlations: Sequence[Correlation] = ()
        routes: Sequence[Route] = ()
        if fleet is not None:
            self._check_faults(fleet)
            check_channels(record, fleet, problems)
            check_kinds(record, fleet, problems)
            check_watch(record, problems)
            if record.own("maintenance") is not None:
                maintenance = read_maintenance(record.own("maintenance"), fleet, problems)
            if record.own("processing") is not None:
                processing = read_processing(record.own("processing"), fleet, problems)
            self._check_consumers(processing)
            windows = read_windows(record.own("windows") or {}, fleet, record.own("duration"), problems)
            written = named_of(record)["window"] or ()
            correlations = read_correlations(record.own("correlations") or {}, windows, written, problems)
            others = (*catalogue.detectors(), *chosen_names_of(record), *drift_alarms_of(record))
            routes = read_routes(record.own("routes") or {}, fleet, others, problems)
            joins = read_joins(record.own("joins") or {}, fleet, (*others, *alarms_of_routes(record)), problems)
        problems.check()
        assert fleet is not None
        stop = record.own("stop_when")
        return Scenario(
            name=record.own("name"),
            story=record.own("story"),
            title=record.own("title") or "",
            tags=tuple(record.own("tags") or ()),
            look_for=tuple(record.own("look_for") or ()),
            duration_us=record.own("duration"),
            warm_up_us=record.value("warm_up"),
            start=record.own("start"),
            tick_us=record.value("tick"),
            fleet=fleet,
            broker=_broker(record.part("broker")),
            detectors=_detectors(record.own("detectors"), fleet.devices),
            runbooks=_runbooks(record.own("detectors"), objectives),
            objectives=tuple(objectives),
            steps=tuple(step.finished(fleet.devices) for step in self._steps),
            expectations=tuple(expectation.finished(fleet.devices) for expectation in self._expectations),
            stop_when=None if stop is None else Stop(stop.own("when"), stop.value("hold")),
            maintenance=maintenance,
            processing=processing,
            stamps=None if record.own("stamps") is None else read_stamps(record.own("stamps")),
            path=self._path,
            resolved=resolved,
            continuity=read_continuity(record.own("continuity")),
            windows=tuple(windows),
            joins=tuple(joins),
            correlations=tuple(correlations),
            routes=tuple(routes),
        )

    def _check_name(self) -> None:
        """A file is called after its scenario."""
        name, file = self._record.own("name"), os.path.basename(self._path).removeprefix(IN_LIBRARY)  # noqa: PTH119
        stem = file.removesuffix(SUFFIX)
        is_named = file != stem or self._path.startswith(IN_LIBRARY)
        if name is None or not is_named or stem in (name, RECORDED):
            return
        message = f"the file is called {quoted(file)}, its scenario {quoted(name)}"
        hint = f"write `name: {stem}`, or rename the file to `{name}{SUFFIX}`"
        self._problems.add(wrong(self._record.at("name"), "S109", message, hint))

    def _read_warm_up(self) -> int | None:
        """None if it cannot be told, or makes no sense."""
        record = self._record
        if record.has("warm_up") and record.own("warm_up") is None:
            return None
        duration_us, warm_up_us = record.own("duration"), record.value("warm_up")
        if duration_us is not None and warm_up_us >= duration_us:
            hint = "make `warm_up` shorter or `duration` longer"
            self._problems.add(wrong(record.at("warm_up"), "S212", "the warm-up leaves nothing of the run", hint))
            return None
        return int(warm_up_us)

    def _check_references(self) -> None:
        """Steps and expectations against each other, the run and the objectives."""
        record = self._record
        planned = [step.planned() for step in self._steps]
        timeline = Timeline(planned, self._knows_all_steps, record.own("duration"), self._warm_up_us, self._problems)
        named = record.at("objectives") if record.has("objectives") else None
        # What is no mapping has been told; then no name of an objective is called wrong.
        objectives = tuple(named.entries) if isinstance(named, MapNode) else None if named else ()
        for expectation in self._expectations:
            check_expectation(expectation, timeline, objectives, self._problems)
        check_verdicts(self._expectations, self._problems)
        if not record.has("maintenance"):
            for part in self._judged():
                check_maintained(part, self._problems)
        if not record.has("processing"):
            for part in self._judged():
                check_processed(part, self._problems)
        if not record.has("continuity"):
            for part in self._judged():
                check_silences(part, self._problems)
        for part in self._judged():
            check_figures(part, named_of(record), self._problems)
        burns = burn_alarms(record.own("objectives") or {})
        if objectives is not None:
            for expectation in self._expectations:
                check_burning(expectation.record, burns, self._problems)
        drifts = drift_alarms_of(record)
        chosen = (*chosen_names_of(record), *drifts, *alarms_of_routes(record), *alarms_of_joins(record))
        for expectation in self._expectations:
            check_alarm_names(expectation.record, chosen, self._problems)
        looking = _detectors_of(record)
        burns = (*burns, *drifts)
        if looking is not None:
            looking = (*looking, *alarms_of_routes(record), *alarms_of_joins(record))
            for part in self._judged():
                check_raised(part, looking, burns, self._problems)
            check_alarms_of_patterns(record, looking, burns, self._problems)

    def _judged(self) -> Iterator[Record]:
        """Every mapping of the file that says what must hold, or when to stop."""
        yield from (step.record for step in self._steps)
        yield from (expectation.record for expectation in self._expectations)
        stop = self._record.own("stop_when")
        if stop is not None:
            yield stop

    # selectors

    def _check_selectors(self, fleet: Fleet | None) -> None:
        reach = None if fleet is None else Reach(fleet)
        part = self._record.own("fleet")
        known = {} if reach is not None or part is None else known_values(part)
        for use in self._uses():
            moments = [term.key for term in use.selector.terms if term.key not in FIXED_KEYS]
            if moments and not use.at_any_moment:
                message = f"`{moments[0]}` changes while the run goes on"
                hint = f"it may stand in the target of a step; here: {listed(FIXED_KEYS)}"
                self._problems.add(wrong(use.node, "S305", message, hint))
            elif reach is None and not moments:
                why = why_none_of(use.selector, known)
                if why is not None:
                    self._tell_no_device(use, "matches no device", why)
            elif reach is not None and not moments and reach.count(use.selector) == 0:
                devices = thousands(reach.fleet.devices)
                self._tell_no_device(use, f"matches 0 of {devices} devices", reach.why_none(use.selector))

    def _check_faults(self, fleet: Fleet) -> None:
        """Whether the targeted machines can have each fault; asked last, for it may load what machines compute with."""
        reach = Reach(fleet)
        for step in self._steps:
            name = step.record.own("fault")
            if step.action != "fault" or name is None or step.record.own("target") is None:
                continue
            try:
                fault = catalogue.faults()[name]
            except PluginError:
                continue  # Told where its settings were read.
            if len(step.settings) < len(fault.settings) or None in step.settings.values():
                continue  # They could not be read, and that has been told.
            kinds = partial(catalogue.machines, reach.kinds(step.record.own("target")))
            settings = plain(step.settings, fleet.devices)
            try:
                target = step.record.own("target")
                of_moment = any(term.key not in FIXED_KEYS for term in target.terms)
                devices = None if of_moment else reach.count(target) or None  # None at all: told above
                said = misfit(fault, kinds, settings, reach.segments(target), partial(reach.sites, target), devices)
            except PluginError as error:
                self._problems.add(unusable(step.record.at("fault"), error))
                continue
            if said:
                message, _, hint = said.partition("; ")
                self._problems.add(wrong(_about(step.record, message), "S309", message, hint))

    def _check_consumers(self, processing: Processing | None) -> None:
        """Faults that need a pool, where there is none."""
        if self._record.has("processing") and (processing is None or processing.functions is None):
            return
        for step in self._steps:
            name = step.record.own("fault")
            try:
                needs = step.action == "fault" and name is not None and catalogue.faults()[name].needs_consumers
            except PluginError:
                continue  # Told where its settings were read.
            if needs:
                message = f"{quoted(name)} has no consumer to strike"
                hint = "add `processing: {service: 2 ms}`" if processing is None else "functions are none: give a pool"
                self._problems.add(wrong(step.record.at("fault"), "S309", message, hint))

    def _uses(self) -> Iterator[_Use]:
        """Every selector of the file."""
        for record in (self._record.own("objectives") or {}).values():
            if record.own("of") is not None:
                yield _Use(record.own("of"), record.at("of"))
        yield from (_Use(selector, node) for selector, node in selectors_of(self._record))
        for step in self._steps:
            if step.record.own("target") is not None:
                yield _Use(step.record.own("target"), step.record.at("target"), at_any_moment=True)
            for key in SELECTING:
                if step.record.own(key) is not None:
                    yield _Use(step.record.own(key), step.record.at(key))
            yield from _in_expressions(step.record)
        for expectation in self._expectations:
            record = expectation.record
            if "target" in record.table.allowed and record.own("target") is not None:
                yield _Use(record.own("target"), record.at("target"))
            yield from _in_expressions(record)
        stop = self._record.own("stop_when")
        if stop is not None:
            yield from _in_expressions(stop)
        maintenance = self._record.own("maintenance")
        if maintenance is not None and maintenance.own("of") is not None:
            yield _Use(maintenance.own("of"), maintenance.at("of"))

    def _tell_no_device(self, use: _Use, said: str, why: WhyNone) -> None:
        text = use.selector.text
        place = use.node.place
        if isinstance(use.node, ScalarNode):
            place = use.node.part(max(use.node.text.find(text), 0), len(text))
        problem = wrong(
            use.node,
            "S301",
            f"{quoted(text)} {said}",
            why.hint,
            place,
            allowed=why.known,
            suggestion=why.suggestion,
        )
        self._problems.add(problem)


def _in_expressions(record: Record) -> Iterator[_Use]:
    """Selectors between the brackets of a mapping's expressions."""
    for key, value in record.read.items():
        if isinstance(value, Expression):
            for name in look_ups(value):
                if name.selector is not None:
                    yield _Use(name.selector, record.at(key), at_any_moment=True)  # The parser knows where it may.


def _about(step: Record, message: str) -> Node:
    """The setting of a step's fault that a message names, or whose value, else all settings, else the fault."""
    if not step.has("with"):
        return step.at("fault")
    node = step.at("with")
    for name, entry in node.entries.items() if isinstance(node, MapNode) else ():
        if isinstance(entry, ScalarNode) and (quoted(entry.text.strip()) in message or f"`{name}`" in message):
            return entry
    return node


def _says_configurations(scenario: Record) -> bool:
    """Whether devices are to tell their configuration, so that somebody looks at it unasked."""
    fleet = scenario.part("fleet")
    segments = fleet.own("segments")
    named = segments.values() if isinstance(segments, Mapping) else ()
    return fleet.has("configuration") or any(each.has("configuration") for each in named if isinstance(each, Record))


def _detectors_of(scenario: Record) -> tuple[str, ...] | None:
    """Names of the detectors that look; None if not all could be read."""
    if not scenario.has("detectors"):
        return tuple(
            name
            for name in catalogue.alarms()
            if (name != WATCH or are_dated(scenario)) and (name != "config-drift" or _says_configurations(scenario))
        )
    node = scenario.at("detectors") if scenario.own("detectors") is not None else None
    if isinstance(node, ListNode):
        names = [item.text.strip() if isinstance(item, ScalarNode) else "" for item in node.items]
    else:
        names = list(node.entries) if isinstance(node, MapNode) else [""]
    known = {*catalogue.detectors(), *chosen_names_of(scenario)}
    return tuple(dict.fromkeys(names)) if set(names) <= known else None


def _detectors(chosen: Mapping[str, Mapping[str, Any]] | None, devices: int) -> Mapping[str, Mapping[str, Any]] | None:
    """Chosen detectors with what they need to know; a runbook is for people."""
    if chosen is None:
        return None
    own = {name: {key: value for key, value in given.items() if key != "runbook"} for name, given in chosen.items()}
    return {name: plain(settings, devices) for name, settings in own.items()}


def _runbooks(chosen: Mapping[str, Mapping[str, Any]] | None, objectives: Sequence[Objective]) -> Mapping[str, str]:
    """Runbooks by the names of the alarms that they are for."""
    found = {name: given["runbook"] for name, given in (chosen or {}).items() if "runbook" in given}
    return found | {each.name + BURN_SUFFIX: each.runbook for each in objectives if each.runbook}


def _broker(record: Record) -> Broker:
    connects, messages = record.part("connects"), record.part("messages")
    return Broker(
        model=record.value("model"),
        connect_rate=connects.own("rate"),
        connect_burst=connects.own("burst"),
        connect_queue=connects.own("queue"),
        backlog=record.own("backlog"),
        handshake_us=record.own("handshake"),
        message_rate=messages.own("rate"),
        message_queue=messages.own("queue"),
        offline_queue=record.value("offline_queue"),
    )
