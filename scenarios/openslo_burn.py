"""Time windows and alert policies of OpenSLO v1 as `burn` of an objective."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Context, Decimal
from fractions import Fraction

from twinstorm.scenarios.language.errors import Problems, Source, quoted
from twinstorm.scenarios.language.fields import Record, missing_key, scalar_text, wrong
from twinstorm.scenarios.language.model import Burn, Objective
from twinstorm.scenarios.language.nodes import ListNode, MapNode, Node, ScalarNode, compose
from twinstorm.scenarios.language.values import show_duration
from twinstorm.scenarios.openslo import BURN, RUNBOOK, Alert, native_alerts
from twinstorm.scenarios.openslo_documents import NUMBER, PROSE, Documents, scalar, text_of

_ROUNDED = Context(prec=12)
_PLACES = 12
"""Of a share in per cent, as a scenario may write it."""


@dataclass(frozen=True)
class FoundAlert:
    """A burn alarm of the file, and where its numbers stand."""

    threshold: ScalarNode
    long_us: int
    window: Node
    severity: ScalarNode

    def is_like(self, other: Alert) -> bool:
        """The same but for what is lost where a threshold is written with few digits."""
        near = (
            abs(Fraction(self.threshold.text.strip()) - Fraction(other.threshold)) <= Fraction(other.threshold) / 10**9
        )
        return near and (self.long_us, self.severity.text.strip()) == (other.long_us, other.severity)


@dataclass(frozen=True)
class FoundBurn:
    """`burn` as a scenario writes it, and what it was made of: time window and alert policies, or an annotation."""

    node: Node
    period_us: int | None
    alerts: Sequence[FoundAlert]
    annotation: Node | None = None


@dataclass(frozen=True)
class BurnReader:
    """Reads what SLOs say of their burn."""

    documents: Documents

    @property
    def problems(self) -> Problems:
        return self.documents.problems

    def read(self, name: str, metadata: Record, spec: Record, *, whole_fleet: bool) -> FoundBurn | None:
        """What an SLO says of its burn; None: nothing."""
        annotations: Mapping[str, Node] = metadata.own("annotations") or {}
        self.documents.leave_out(
            f"`{name}`", *(f"annotation `{key}`" for key in annotations if key not in (BURN, RUNBOOK))
        )
        period = self._period(spec)
        policies: Sequence[Record] = spec.own("alertPolicies") or ()
        found = [alert for policy in policies for alert in self._alerts(policy)]
        if BURN in annotations:
            at = annotations[BURN]
            return FoundBurn(self._annotated(at), None if period is None else period[1], found, at)
        if period is None:
            if found and not spec.has("timeWindow"):
                assert spec.node is not None
                self.problems.add(missing_key(spec.node, "timeWindow", "the time that the budget is for"))
            return None
        if not found:
            self.documents.leave_out(f"`{name}`", "timeWindow (an objective without burn alarms is about the run)")
            return None
        node, period_us = period
        short = scalar(node, show_duration(period_us))
        usual = native_alerts(Burn(period_us, None, ()), period_us, pages=whole_fleet)
        if _alike(found, usual):
            return FoundBurn(short, period_us, found)
        alarms = ListNode(node.path, node.place, node.key_place, [_alarm(alert, period_us) for alert in found])
        in_full = MapNode(node.path, node.place, node.key_place, {"period": short, "alarms": alarms})
        return FoundBurn(in_full, period_us, found)

    def _annotated(self, node: Node) -> Node:
        text = text_of(node)
        inner = Problems()
        made = compose(Source("", text), inner)
        if made is None or inner.found:
            message = f"the annotation `{BURN}` is not `burn` of a scenario"
            self.problems.add(wrong(node, "S101", message, "write `{period: run}`, or remove it"))
            return scalar(node, "run")
        return _moved(made, node)

    def _period(self, spec: Record) -> tuple[Node, int] | None:
        windows: Sequence[Record] = spec.own("timeWindow") or ()
        for window in windows:
            if window.has("calendar") or window.own("isRolling") == "false":
                at = window.at("calendar" if window.has("calendar") else "isRolling")
                self.documents.cannot(
                    at, "time windows that move with time, and none of the calendar", "write `isRolling: true`"
                )
            elif window.has("duration"):
                period_us = self.documents.duration(window.at("duration"))
                return None if period_us is None else (window.at("duration"), period_us)
        return None

    def _alerts(self, policy: Record) -> Iterator[FoundAlert]:
        resolved = self.documents.resolved(policy, "spec", "alertPolicyRef", "AlertPolicy")
        if resolved is None:
            return
        who, spec = f"alert policy `{resolved[0]}`", resolved[1]
        self.documents.leave_out(who, *(key for key in PROSE if spec.has(key)))
        if text_of(spec.nodes.get("notificationTargets")) or _has_items(spec.nodes.get("notificationTargets")):
            self.documents.leave_out(who, "notificationTargets")
        if spec.own("alertWhenNoData") == "true":
            self.documents.leave_out(who, "alertWhenNoData (without data an alarm stays what it is)")
        if spec.own("alertWhenBreaching") == "false":
            self.documents.leave_out(who, "all of it (alertWhenBreaching: false)")
            return
        for one in spec.own("conditions") or ():
            found = self.documents.resolved(one, "spec", "conditionRef", "AlertCondition")
            if found is None or found[1].own("condition") is None:
                continue
            condition = found[1].own("condition")
            if condition.own("alertAfter") not in (None, "0m", "0"):
                self.documents.leave_out(who, "alertAfter (an alarm comes at once)")
            self.documents.leave_out(who, *(key for key in PROSE if found[1].has(key)))
            nodes = [
                condition.nodes.get("threshold"),
                condition.nodes.get("lookbackWindow"),
                found[1].nodes.get("severity"),
            ]
            if None in nodes:
                continue
            threshold, window, severity = nodes
            assert window is not None
            long_us = self.documents.duration(window)
            text = scalar_text(threshold, self.problems, "a threshold", "14.4") if threshold is not None else None
            if text is not None and not NUMBER.fullmatch(text):
                self.problems.add(
                    wrong(threshold, "S207", f"{quoted(text)} is not a number", "write digits, e.g. `14.4`")
                )
            elif isinstance(threshold, ScalarNode) and isinstance(severity, ScalarNode) and long_us and text:
                yield FoundAlert(threshold, long_us, window, severity)

    def check(self, objective: Objective, found: FoundBurn | None) -> None:
        """Tell of an annotation that says something else than what stands beside it."""
        burn = objective.burn
        if found is None or found.annotation is None or burn is None or not (found.alerts or found.period_us):
            return
        period_us = burn.period_us
        said = [] if period_us is None else native_alerts(burn, period_us, pages=objective.of is None)
        if not _alike(found.alerts, said) or found.period_us != period_us:
            message = f"the annotation `{BURN}` says something else than time window and alert policies"
            hint = "remove the annotation, or change it as well"
            self.problems.add(wrong(found.annotation, "S212", message, hint))


def _alike(found: Sequence[FoundAlert], said: Sequence[Alert]) -> bool:
    return len(found) == len(said) and all(one.is_like(other) for one, other in zip(found, said, strict=True))


def _alarm(alert: FoundAlert, period_us: int) -> Node:
    share = Fraction(alert.threshold.text.strip()) * alert.long_us / period_us
    at = alert.threshold
    entries: dict[str, Node] = {
        "spends": scalar(at, _rounded_percent(100 * share)),
        "within": scalar(alert.window, show_duration(alert.long_us)),
        "severity": alert.severity,
    }
    return MapNode(at.path, at.place, at.key_place, entries)


def _rounded_percent(percent: Fraction) -> str:
    """Without what dividing and multiplying has added."""
    rounded = _ROUNDED.divide(Decimal(percent.numerator), Decimal(percent.denominator))
    return f"{round(rounded, _PLACES).normalize():f} %"


def _moved(node: Node, at: Node) -> Node:
    """A node that was read from the text of another one, at the place of that."""
    node.path, node.place, node.key_place = at.path, at.place, at.key_place
    for inner in node.items if isinstance(node, ListNode) else ():
        _moved(inner, at)
    for inner in node.entries.values() if isinstance(node, MapNode) else ():
        _moved(inner, at)
    return node


def _has_items(node: Node | None) -> bool:
    return isinstance(node, ListNode) and bool(node.items)
