"""OpenSLO v1 documents as objectives of a scenario.

Documents are checked for their shape, put into the words of a scenario where they stand, and read as those: what is
wrong is told at its line of the file. What would change a meaning is an error; what a scenario has no place for is told
as left out.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from twinstorm.scenarios.language.errors import Place, Problem, Problems, Source, listed, quoted
from twinstorm.scenarios.language.fields import BAD, Record, missing_key, of_keys, scalar_text, wrong
from twinstorm.scenarios.language.model import Objective
from twinstorm.scenarios.language.nodes import MapNode, Node, compose_all
from twinstorm.scenarios.language.objectives import OBJECTIVE, read_objectives
from twinstorm.scenarios.language.values import NAME
from twinstorm.scenarios.language.writing import dump, written
from twinstorm.scenarios.openslo import RUNBOOK, SOURCE, decimal
from twinstorm.scenarios.openslo_burn import BurnReader, FoundBurn
from twinstorm.scenarios.openslo_documents import NUMBER, PROSE, Documents, scalar, text_of
from twinstorm.scenarios.openslo_schema import SOURCE_SPEC

_WANTED = f"write `type: {SOURCE}` and `spec: {{sli: freshness, counts: good}}`"


@dataclass(frozen=True)
class Imported:
    """Objectives of a file.

    Attributes:
        text: the block `objectives:` of a scenario.
        notes: what is left out, one sentence each.
    """

    text: str
    objectives: tuple[Objective, ...]
    notes: tuple[str, ...]


def import_objectives(source: Source) -> Imported:
    """Read a file of OpenSLO documents.

    Raises:
        ScenarioErrors: everything that is wrong with it, or cannot be said in a scenario.
    """
    problems = Problems()
    documents = Documents(problems)
    for node in compose_all(source, problems, "an OpenSLO file"):
        documents.take(node)
    reader, burns = _Reader(documents), BurnReader(documents)
    entries: dict[str, MapNode] = {}
    found: dict[str, FoundBurn] = {}
    for name, (metadata, spec) in documents.slos.items():
        counted = reader.indicator(spec)
        burn = burns.read(name, metadata, spec, whole_fleet=counted is None or not counted[1].has("of"))
        for called, node in reader.objectives(name, metadata, spec, counted).items():
            entries[called] = node
            if burn is not None:
                node.entries["burn"], found[called] = burn.node, burn
            if RUNBOOK in (metadata.own("annotations") or {}):
                node.entries["runbook"] = metadata.own("annotations")[RUNBOOK]
    if not entries and not problems.found:
        hint = "objectives are documents with `kind: SLO`"
        problems.add(Problem("S105", "there is no SLO in the file", Place(source), hint=hint))
    records = {name: OBJECTIVE.read(node, problems) for name, node in entries.items()}
    read = read_objectives({name: record for name, record in records.items() if record is not BAD}, problems)
    for objective in read:
        burns.check(objective, found.get(objective.name))
    problems.found = list(dict.fromkeys(problems.found))  # What two targets share is told once.
    problems.check()
    root = written({})
    assert isinstance(root, MapNode)
    root.entries["objectives"] = block = written({})
    assert isinstance(block, MapNode)
    block.entries.update(entries)
    return Imported(dump(root), tuple(read), tuple(documents.notes()))


@dataclass(frozen=True)
class _Reader:
    """Makes mappings of a scenario of SLOs."""

    documents: Documents

    @property
    def problems(self) -> Problems:
        return self.documents.problems

    def objectives(
        self, name: str, metadata: Record, spec: Record, counted: tuple[str, Record] | None
    ) -> dict[str, MapNode]:
        """An SLO as a scenario writes it, without burn alarms: an objective for each of its targets.

        Args:
            counted: its `indicator`; None: that could not be read, and nobody has to hear that the SLI is missing.
        """
        self.documents.leave_out(f"`{name}`", *(key for record in (metadata, spec) for key in PROSE if record.has(key)))
        targets: Sequence[Record] = spec.own("objectives") or ()
        if spec.own("objectives") == []:
            hint = "write `- targetPercent: 99`"
            self.problems.add(wrong(spec.at("objectives"), "S214", "an objective is missing", hint))
        at = metadata.at("name")
        if not re.fullmatch(NAME, name):
            hint = "objectives of a scenario are called in small letters, digits and `-`, a letter first"
            self.problems.add(wrong(at, "S109", f"{quoted(name)} is not a name of an objective", hint))
        entries = {}
        for number, target in enumerate(targets, 1):
            objective = self._objective(name, target, counted)
            if counted is not None:
                called = name if len(targets) == 1 else f"{name}-{number}"
                entries[called] = MapNode(at.path, at.place, at.place, objective)
        return entries

    def _objective(self, name: str, target: Record, counted: tuple[str, Record] | None) -> dict[str, Node]:
        """One of the targets of an SLO, without burn alarms."""
        self.documents.leave_out(f"`{name}`", *(key for key in ("displayName", "op", "value") if target.has(key)))
        for key in ("indicator", "indicatorRef", "compositeWeight"):
            if target.has(key):
                self.documents.cannot(target.at(key), "one indicator, not several", "make an SLO of each")
        bound = self._percent(target)
        if counted is None:
            return {}
        which, source = counted
        entries: dict[str, Node] = {key: source.at(key) for key in ("sli", "within", "of") if source.has(key)}
        if bound is not None:
            node, percent = bound
            share = percent if which == "good" else 100 - percent
            entries["at_least" if which == "good" else "at_most"] = scalar(node, f"{decimal(share):f} %")
        return entries

    def _percent(self, target: Record) -> tuple[Node, Fraction] | None:
        """The bound in per cent and where it stands."""
        given = [key for key in ("target", "targetPercent") if target.has(key)]
        if len(given) != 1:
            hint = "write `targetPercent: 99`"
            if given:
                self.problems.add(of_keys("S212", "an objective has one target", "keep one of the two", target, given))
            elif target.node is not None:
                self.problems.add(
                    Problem("S105", "the target is missing", target.node.place, target.node.path, hint=hint)
                )
            return None
        node, factor = target.at(given[0]), 100 if given == ["target"] else 1
        text = scalar_text(node, self.problems, "a target", "99")
        if text is None:
            return None
        if not NUMBER.fullmatch(text):
            self.problems.add(wrong(node, "S207", f"{quoted(text)} is not a number", "write digits, e.g. `99.5`"))
            return None
        percent = Fraction(text) * factor
        if percent >= 100:
            hint = "`target` is less than 1, `targetPercent` less than 100"
            self.problems.add(wrong(node, "S210", f"a target of {text} allows for no error at all", hint))
            return None
        return node, percent

    def indicator(self, spec: Record) -> tuple[str, Record] | None:
        """Whether good or bad is counted, and the spec of what counts it."""
        at = self.documents.resolved(spec, "indicator", "indicatorRef", "SLI")
        if at is None:
            return None
        self.documents.leave_out(f"indicator `{at[0]}`", *(key for key in PROSE if at[1].has(key)))
        indicator = at[1]
        if indicator.has("thresholdMetric"):
            self.documents.cannot(indicator.at("thresholdMetric"), "counts, and no thresholdMetric", _WANTED)
            return None
        ratio = indicator.own("ratioMetric")
        if ratio is None:
            if indicator.node is not None and not indicator.has("ratioMetric"):
                self.problems.add(missing_key(indicator.node, "ratioMetric", "good or bad of total"))
            return None
        if ratio.has("raw"):
            self.documents.cannot(ratio.at("raw"), "counts, and no ratio that was computed elsewhere", _WANTED)
            return None
        given = [key for key in ("good", "bad") if ratio.has(key)]
        if len(given) != 1 or not ratio.has("total"):
            message, hint = "a ratio has `total` and one of `good` and `bad`", f"here: {listed(list(ratio.nodes))}"
            self.problems.add(wrong(ratio.node, "S212", message, hint, ratio.node.key_place))
            return None
        counted, total = (self._source(ratio.own(key), key) for key in (given[0], "total"))
        if counted is None or total is None:
            return None
        for key in ("sli", "within", "of"):
            one, other = (text_of(source.nodes.get(key)) for source in (counted, total))
            if one != other:
                message = f"`{given[0]}` and `total` have another `{key}`: {quoted(one)} and {quoted(other)}"
                at_fault = total if total.has(key) else counted
                self.problems.add(wrong(at_fault.at(key), "S212", message, "write the same in both"))
        return given[0], counted

    def _source(self, metric: Record | None, counts: str) -> Record | None:
        source = None if metric is None else metric.own("metricSource")
        if source is None or not source.has("spec"):
            return None
        if source.own("type") != SOURCE:
            node = source.at("type") if source.has("type") else source.node
            told = f"of type {quoted(source.own('type'))}" if source.has("type") else "without a type"
            self.documents.cannot(node, f"metric sources of type `{SOURCE}`, and none {told}", _WANTED)
            return None
        spec = SOURCE_SPEC.read(source.at("spec"), self.problems)
        if spec is BAD or not spec.has("sli"):
            return None
        if spec.own("counts") not in (counts, None):
            message = f"the source of `{counts}` counts {quoted(spec.own('counts'))}"
            self.problems.add(wrong(spec.at("counts"), "S212", message, f"write `counts: {counts}`"))
        return spec
