"""`wire`: which topics devices use and what their documents look like. A file of its own, or written where it is used.

A file is read in place of its name before anything else is (`insert_files`), so that what is wrong in it is told with
its own lines, and a record of a run needs no second file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, Final

from twinstorm.scenarios.language.errors import Place, Problem, Problems, Refused, Source, closest, quoted
from twinstorm.scenarios.language.fields import (
    BAD,
    Field,
    Key,
    Named,
    Record,
    Single,
    Table,
    name,
    scalar_text,
    words,
    wrong,
)
from twinstorm.scenarios.language.nodes import BrokenNode, MapNode, Node, ScalarNode, compose
from twinstorm.twin.wire.profile import CODEC_NAMES
from twinstorm.twin.wire.spec import READING_SOURCES, STATE_SOURCES, TIMES, Flat, Spec, Template, UnfitTemplateError

CODEC: Final = words("codec", *CODEC_NAMES)
BUILT_IN: Final = "twinstorm"
SUFFIX: Final = ".yaml"
VERSION: Final = "1"

_MOST_FIELDS: Final = 200
_FIELD: Final = r"[A-Za-z_][A-Za-z0-9_.:-]{0,99}"


@dataclass(frozen=True)
class Choice:
    """A profile that a scenario chooses; None: the built-in one."""

    spec: Spec | None


def _template(text: str) -> Template:
    template = Template(text)
    try:
        template.check()
    except UnfitTemplateError as error:
        meant = closest(error.part, error.allowed)
        example = "write e.g. `plant/{site}/{device}/telemetry`"
        raise Refused(
            "S216",
            f"{quoted(text)} is no topic of devices: {error.message}",
            "" if meant else example,
            allowed=error.allowed,
            suggestion=meant,
        ) from None
    return template


def _field_name(text: str) -> str:
    if len(text) <= 100 and text.isprintable() and text.strip() == text and text:
        return text
    raise Refused("S109", f"{quoted(text)} is no name of a field", "write letters, digits and `_`")


_TOPIC = Single("a topic", _template, "plant/{site}/{device}/telemetry")
_NAME_OF_FIELD = Single("a name of a field", _field_name, "temperature_c", _FIELD)


def _fields(sources: tuple[str, ...]) -> Named:
    return Named("a mapping of fields", words("source of a field", *sources), _MOST_FIELDS, _NAME_OF_FIELD)


PROFILE: Final = Table(
    "a wire profile",
    (
        Key("wire", words("version of a wire profile", VERSION), "version of the profile, first line", required=True),
        Key("name", name("a profile's name", "plant"), "its name in reports", required=True),
        Key(
            "topics",
            Table(
                "the topics of a profile",
                (
                    Key("telemetry", _TOPIC, "of readings", required=True),
                    Key("state", _TOPIC, "of births and wills", required=True),
                ),
            ),
            "where devices send what; `{site}` and `{device}` stand alone in their levels",
            required=True,
        ),
        Key("documents", words("shape of documents", "standard", "flat"), "what is sent there", default="standard"),
        Key("reading", _fields(READING_SOURCES), "fields of a flat reading beside its channels, and what they hold"),
        Key("state", _fields(STATE_SOURCES), "fields of a flat birth or will, and what they hold"),
        Key(
            "channels",
            Named("a mapping of channels", _NAME_OF_FIELD, _MOST_FIELDS, _NAME_OF_FIELD),
            "fields of channels that are not called as these in a flat reading",
        ),
    ),
)


class Profile(Field):
    """The built-in profile by its name, or a profile; a file's name has become what is in it."""

    def read(self, node: Node, problems: Problems) -> Any:
        if isinstance(node, MapNode):
            record = PROFILE.read(node, problems)
            spec = None if record is BAD else _spec(record, problems)
            return BAD if spec is None else Choice(spec)
        if scalar_text(node, problems, "a wire profile", f"plant.wire{SUFFIX}") is None:
            return BAD
        assert isinstance(node, ScalarNode)
        if node.text.strip() == BUILT_IN:
            return Choice(None)
        hint = f"write `{BUILT_IN}`, or a file whose name ends in `{SUFFIX}`"
        problems.add(
            wrong(node, "S104", f"unknown wire profile {quoted(node.text.strip())}", hint, allowed=(BUILT_IN,))
        )
        return BAD

    def json_schema(self) -> dict[str, Any]:
        return {"anyOf": [{"const": BUILT_IN}, {"type": "string", "pattern": r"\.yaml$"}, PROFILE.json_schema()]}


def _spec(record: Record, problems: Problems) -> Spec | None:
    """The profile; None after telling what does not go together in it."""
    topics: Record | None = record.own("topics")
    known = len(problems.found)
    if topics is not None and None not in (topics.own("telemetry"), topics.own("state")):
        _check_topics(topics, problems)
    is_flat = record.value("documents") == "flat"
    is_told = not record.has("documents") or record.own("documents") is not None
    for key in ("reading", "state", "channels") if is_told and not is_flat else ():
        if record.has(key):
            message = f"`{key}` is of flat documents, and these are not"
            problems.add(wrong(record.at(key), "S212", message, "write `documents: flat`", record.at(key).key_place))
    flat = _flat(record, problems) if is_flat else None
    if len(problems.found) > known or record.own("name") is None or topics is None:
        return None
    if topics.own("telemetry") is None or topics.own("state") is None:
        return None
    return Spec(record.own("name"), topics.own("telemetry"), topics.own("state"), flat)


def _check_topics(topics: Record, problems: Problems) -> None:
    """A topic is of readings or of states, never of both."""
    levels = zip_longest(topics.own("telemetry").text.split("/"), topics.own("state").text.split("/"))
    if all(one == other or _is_open(one) or _is_open(other) for one, other in levels):
        message = "a topic of `state` could be one of `telemetry`"
        problems.add(wrong(topics.at("state"), "S212", message, "let them differ in a word"))


def _is_open(level: str | None) -> bool:
    return level is not None and level.startswith("{")


def _flat(record: Record, problems: Problems) -> Flat:
    usual = Flat()
    reading, state = record.own("reading"), record.own("state")
    if reading is not None:
        _check_fields(record.at("reading"), reading, ("boot", "seq"), problems)
    if state is not None:
        _check_fields(record.at("state"), state, ("boot", "state"), problems)
    channels: Mapping[str, str] = record.own("channels") or {}
    taken: dict[str, str] = dict.fromkeys((reading or dict(usual.reading)), "reading")
    for channel, field in channels.items():
        if field in taken:
            node = record.at("channels")
            assert isinstance(node, MapNode)
            message = f"two things cannot have one field: {quoted(field)}"
            problems.add(wrong(node.entries[channel], "S212", message, "give each a name of its own"))
        taken[field] = channel
    return Flat(
        usual.reading if reading is None else tuple(reading.items()),
        usual.state if state is None else tuple(state.items()),
        tuple(channels.items()),
    )


def _check_fields(node: Node, told: Mapping[str, str], needed: tuple[str, ...], problems: Problems) -> None:
    """What the core cannot do without is told, and nothing twice."""
    assert isinstance(node, MapNode)
    if len(told) < len(node.entries):
        return  # Something could not be read, and that has been told.
    sources = [source for source in told.values() if source != "ignored"]
    for one in needed:
        if one not in sources:
            hint = f"add a field for it: `{one}: {one}`"
            problems.add(wrong(node, "S105", f"no field holds `{one}`", hint, node.key_place))
    times = [field for field, source in told.items() if source in TIMES]
    if not times:
        problems.add(wrong(node, "S105", "no field holds the time", f"add one: `ts: {TIMES[2]}`", node.key_place))
    for field in times[1:]:
        message = "the time stands here twice"
        problems.add(wrong(node.entries[field], "S212", message, "keep one of the two"))
    for number, (field, source) in enumerate(told.items()):
        if source in sources and source not in TIMES and source in list(told.values())[:number]:
            message = f"{quoted(source)} stands here twice"
            problems.add(wrong(node.entries[field], "S212", message, "keep one of the two"))


# --- files ------------------------------------------------------------------------------------------------------------


def insert_files(root: MapNode, load: Callable[[str], Source], problems: Problems) -> bool:
    """Put what is in files of profiles where a scenario names them. Returns whether there are any.

    Args:
        load: text of a file; raises `OSError` or `ValueError` with a reason for people.
    """
    found = False
    for owner in _owners(root):
        node = owner.entries.get("wire")
        if not isinstance(node, ScalarNode) or not node.text.strip().endswith(SUFFIX):
            continue
        found = True
        owner.entries["wire"] = _inserted(node, load, problems)
    return found


def _owners(root: MapNode) -> Iterator[MapNode]:
    """Mappings in which a profile may be named."""
    fleet, firmware = root.entries.get("fleet"), root.entries.get("firmware")
    if isinstance(fleet, MapNode):
        yield fleet
        segments = fleet.entries.get("segments")
        if isinstance(segments, MapNode):
            yield from (part for part in segments.entries.values() if isinstance(part, MapNode))
    if isinstance(firmware, MapNode):
        yield from (part for part in firmware.entries.values() if isinstance(part, MapNode))


def _inserted(node: ScalarNode, load: Callable[[str], Source], problems: Problems) -> Node:
    broken = BrokenNode(node.path, node.place, node.key_place)
    try:
        source = load(node.text.strip())
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        hint = "a wire profile is a file beside the scenario; its name is relative to it"
        problems.add(
            wrong(node, "S111", f"the wire profile {quoted(node.text.strip())} cannot be read: {reason}", hint)
        )
        return broken
    written = compose(source, problems)
    if isinstance(written, MapNode):
        return written
    if written is None and problems.found:
        return broken
    hint = "begin with `wire: 1`, `name` and `topics`"
    problems.add(Problem("S108", "a wire profile is a mapping", Place(source), hint=hint))
    return broken
