"""A file of OpenSLO v1 documents: who refers to whom, what is left out, and what cannot be said in a scenario."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from twinstorm.scenarios.language.errors import Problems, listed, quoted
from twinstorm.scenarios.language.fields import BAD, Record, missing_key, scalar_text, unknown, wrong
from twinstorm.scenarios.language.nodes import Node, ScalarNode
from twinstorm.scenarios.language.values import US
from twinstorm.scenarios.openslo_schema import (
    CONDITION_SPEC,
    DOCUMENT,
    INDICATOR_SPEC,
    KINDS,
    POLICY_SPEC,
    SLO_SPEC,
)

PROSE = ("description", "service", "displayName", "labels")
"""Keys that say something to people, or to other tools."""

NUMBER = re.compile(r"[0-9]{1,15}(?:\.[0-9]{1,40})?")
_SHORTHAND = re.compile(r"([1-9][0-9]{0,8})([mhdwMQY])")
_US = {"m": US["min"], "h": US["h"], "d": US["d"], "w": US["w"]}
_SPECS = dict(zip(KINDS, (SLO_SPEC, INDICATOR_SPEC, POLICY_SPEC, CONDITION_SPEC), strict=True))


@dataclass
class Documents:
    """What a file says, and what became of it."""

    problems: Problems
    _read: dict[str, dict[str, tuple[Record, Record]]] = field(default_factory=lambda: {kind: {} for kind in KINDS})
    _left_out: dict[str, list[str]] = field(default_factory=dict)
    """What of whom."""

    def take(self, node: Node) -> None:
        """One document of the file."""
        if isinstance(node, ScalarNode) and node.is_absent:
            return  # `---` at the end of the file.
        found = DOCUMENT.read(node, self.problems)
        if found is BAD or found.own("kind") is None:
            return
        kind, metadata = found.own("kind"), found.own("metadata")
        name = None if metadata is None else metadata.own("name")
        if kind not in KINDS:
            self.leave_out(f"{kind} `{name}`", "all of it")
            return
        spec = _SPECS[kind].read(found.at("spec"), self.problems) if found.has("spec") else BAD
        if not isinstance(spec, Record) or name is None:
            return
        if name in self._read[kind]:
            message = f"two documents of kind {kind} have the name {quoted(name)}"
            self.problems.add(wrong(metadata.at("name"), "S110", message, "rename one of them"))
        self._read[kind][name] = metadata, spec

    @property
    def slos(self) -> Mapping[str, tuple[Record, Record]]:
        """Metadata and spec of each SLO by its name."""
        return self._read["SLO"]

    def notes(self) -> Iterator[str]:
        """What was left out, the same of several in one sentence."""
        of: dict[str, list[str]] = {}
        for who, keys in self._left_out.items():
            of.setdefault(", ".join(dict.fromkeys(keys)), []).append(who)
        for what, whose in of.items():
            yield f"left out of {listed(whose)}: {what}"

    def leave_out(self, who: str, *what: str) -> None:
        if what:
            self._left_out.setdefault(who, []).extend(what)

    def resolved(self, owner: Record, inline: str, reference: str, kind: str) -> tuple[str, Record] | None:
        """Name and spec of what stands inline, or in another document of the file."""
        if owner.has(reference):
            name, known = owner.own(reference), tuple(self._read[kind])
            if name in known:
                return name, self._read[kind][name][1]
            if name is not None:
                hint = f"{kind}s of the file: {listed(known)}" if known else f"the file has no document of kind {kind}"
                self.problems.add(unknown(owner.at(reference), kind, name, known, "S602", hint))
            return None
        if not owner.has(inline):
            assert owner.node is not None
            self.problems.add(missing_key(owner.node, inline, f"or `{reference}`"))
            return None
        if inline == "spec":
            record, spec = owner, owner.own("spec")
        else:
            record = owner.own(inline)
            spec = None if record is None else record.own("spec")
        if record is not None and record.node is not None and not record.has("spec"):
            self.problems.add(missing_key(record.node, "spec", "what it says"))
        metadata = None if record is None else record.own("metadata")
        return None if spec is None else ((metadata.own("name") if metadata is not None else None) or "", spec)

    def duration(self, node: Node) -> int | None:
        text = scalar_text(node, self.problems, "a duration", "30d")
        if text is None:
            return None
        match = _SHORTHAND.fullmatch(text)
        if match is None:
            self.problems.add(
                wrong(node, "S202", f"{quoted(text)} is not a duration", "write `5m`, `1h`, `30d` or `4w`")
            )
            return None
        if match[2] not in _US:
            self.cannot(node, "no months, quarters or years, which are not all equally long", "write it in days: `30d`")
            return None
        return int(match[1]) * _US[match[2]]

    def cannot(self, node: Node, what: str, hint: str) -> None:
        self.problems.add(wrong(node, "S601", f"an objective of a scenario knows {what}", hint))


def scalar(at: Node, text: str) -> ScalarNode:
    """A text where another one stands in the file."""
    return ScalarNode(at.path, at.place, at.key_place, text)


def text_of(node: Node | None) -> str:
    return node.text.strip() if isinstance(node, ScalarNode) else ""
