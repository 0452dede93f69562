"""Expectations: watches each one while the run goes on and says at the end what held, what did not and why.

All state is plain data. Nothing is judged during the warm-up.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from twinstorm.scenarios.engine.recovery import Recovery
from twinstorm.scenarios.engine.timeline import Steps
from twinstorm.scenarios.language.expressions import Evaluator, names
from twinstorm.scenarios.language.model import Expectation
from twinstorm.scenarios.language.selectors import Selector
from twinstorm.scenarios.reports.words import objective_value, share
from twinstorm.scenarios.result import ExpectationResult, ObjectiveResult, Verdict
from twinstorm.scenarios.verdict import HELD, INCONCLUSIVE, MISSED
from twinstorm.twin.flow import SECOND_US, Alarm, Ledger, Mask

_SHAPED_ALARMS = frozenset({"connect-storm", "reboot-storm"})
_SHAPED_COUNTERS = frozenset({"queue", "refused"})
"""What a broker's limits on connects decide, beside the time that recovery takes."""

LookUp = Callable[[str, Selector | None, int], float | None]


@dataclass(frozen=True)
class Facts:
    """What the judge may look at when the run is over."""

    end_us: int
    warm_up_us: int
    alarms: Sequence[Alarm]
    ledger: Ledger
    counts: Mapping[str, int]
    objectives: Mapping[str, ObjectiveResult]
    recoveries: Mapping[str, Recovery]
    cut_short: bool = False
    """Somebody or something ended the run before the end that it was asked to reach."""


@dataclass
class _Finding:
    verdict: Verdict
    value: str | None = None
    at_us: int | None = None
    why: str = ""
    alarm: str = ""
    """Of `no_alarm`: the one that came."""


@dataclass
class Watched:
    """One expectation and what was seen of it so far."""

    written: Expectation
    mask: Mask | None
    evaluator: Evaluator | None
    seen_true_us: int | None = None
    seen_false_us: int | None = None
    judged: int = 0
    unknown: int = 0

    def look(self, now_us: int, look_up: LookUp, steps: Steps, end_us: int) -> None:
        """Once a simulated second."""
        if self.evaluator is None:
            return
        value = self.evaluator.step(now_us, look_up)
        if not self._counts(now_us, steps, end_us):
            return
        if value is None:
            self.unknown += 1
            return
        self.judged += 1
        if value and self.seen_true_us is None:
            self.seen_true_us = now_us
        if not value and self.seen_false_us is None:
            self.seen_false_us = now_us

    def _counts(self, now_us: int, steps: Steps, end_us: int) -> bool:
        written = self.written
        if written.form == "at":
            assert written.at is not None
            at_us = steps.instant_us(written.at, end_us)
            # The pane that ends at the instant, or the first one after it.
            return at_us is not None and at_us <= now_us < at_us + SECOND_US
        if written.form == "eventually":
            since_us = steps.instant_us(written.after, end_us) if written.after else 0
            if since_us is None or now_us < since_us:
                return False
            return written.within_us is None or now_us <= since_us + written.within_us
        return True


@dataclass
class Judge:
    """All expectations of a run, the implied ones included."""

    watched: list[Watched]
    steps: Steps
    warm_up_us: int
    implied: list[str] = field(default_factory=list)
    """Objectives that no expectation speaks of: each implies `held`."""
    limits_missing: str = ""
    """Why the scenario's limits on connects were not imposed: what they shape stays open then. Empty: they were."""

    def look(self, now_us: int, look_up: LookUp, end_us: int) -> None:
        if now_us > self.warm_up_us:
            for each in self.watched:
                each.look(now_us, look_up, self.steps, end_us)

    def results(self, facts: Facts) -> list[ExpectationResult]:
        """One result each, written ones in the order of the file, then the implied ones."""
        results = []
        for each in self.watched:
            finding = self._judge(each, facts)
            results.append(
                ExpectationResult(
                    text=each.written.text,
                    line=each.written.line,
                    wanted=_wanted(each.written),
                    value=finding.value,
                    at_s=None if finding.at_us is None else finding.at_us / SECOND_US,
                    verdict=finding.verdict,
                    why=finding.why,
                )
            )
        for name in self.implied:
            objective = facts.objectives[name]
            results.append(
                ExpectationResult(
                    text=f"objective {name} held",
                    line=0,
                    wanted=objective.wanted,
                    value=_shown(objective),
                    at_s=objective.missed_from_s,
                    verdict=objective.verdict,
                    why="" if objective.value is not None else "no data after the warm-up",
                )
            )
        return results

    def _judge(self, each: Watched, facts: Facts) -> _Finding:
        judge = {
            "alarm": self._alarm,
            "no_alarm": self._no_alarm,
            "recovered": self._recovered,
            "objective": self._objective,
            "always": self._always,
            "never": self._never,
            "eventually": self._eventually,
            "at": self._at,
            "count": self._bounded,
            "ledger": self._bounded,
        }[each.written.form]
        finding = judge(each, facts)
        if self.limits_missing and self._needs_limits(each.written, finding, facts):
            return replace(finding, verdict=INCONCLUSIVE, why=self.limits_missing)
        return finding

    def _needs_limits(self, written: Expectation, finding: _Finding, facts: Facts) -> bool:
        """Whether a broker that limits connects could have led to another verdict."""
        match written.form:
            case "recovered":
                return True
            case "count":
                return written.name in _SHAPED_COUNTERS
            case "alarm":
                return written.name in _SHAPED_ALARMS
            case "no_alarm":
                # Limits bite once something has gone wrong; until then silence is silence. Of `any`, an alarm that
                # they do not shape decides on its own.
                until_us = self.steps.instant_us(written.to, facts.end_us) if written.to else facts.end_us
                calm = until_us is not None and all(
                    step.started_us is None or step.started_us >= until_us
                    for step in self.steps.runs
                    if step.action == "fault"
                )
                if written.name == "any":
                    return not calm and (finding.verdict != MISSED or finding.alarm in _SHAPED_ALARMS)
                return not calm and written.name in _SHAPED_ALARMS
        return written.expression is not None and not _SHAPED_COUNTERS.isdisjoint(names(written.expression))

    def _alarm(self, each: Watched, facts: Facts) -> _Finding:
        written = each.written
        since_us = self.steps.instant_us(written.after, facts.end_us) if written.after else facts.warm_up_us
        if since_us is None or since_us > facts.end_us:
            return _Finding(INCONCLUSIVE, why="the run ended before it could be raised")
        until_us = facts.end_us if written.within_us is None else since_us + written.within_us
        for alarm in facts.alarms:
            if alarm.name != written.name or not _overlaps(alarm, each.mask):
                continue
            if written.severity and alarm.severity != written.severity:
                continue
            # An alarm that is still up when the time begins was raised for it as well.
            open_then = alarm.at_us <= since_us and (alarm.resolved_us is None or alarm.resolved_us > since_us)
            if written.after is None and open_then:
                return _Finding(HELD, f"at {_clock(alarm.at_us)}", alarm.at_us)
            if since_us <= alarm.at_us <= until_us:
                return _Finding(HELD, f"{seconds(alarm.at_us - since_us)} after", alarm.at_us)
        if until_us > facts.end_us:
            return _Finding(INCONCLUSIVE, why=_CUT_SHORT)
        others = sorted({alarm.name for alarm in facts.alarms if alarm.name == written.name})
        return _Finding(MISSED, "not raised", why="it was raised at another time or place" if others else "")

    def _no_alarm(self, each: Watched, facts: Facts) -> _Finding:
        written = each.written
        since_us = self.steps.instant_us(written.since, facts.end_us) if written.since else facts.warm_up_us
        until_us = self.steps.instant_us(written.to, facts.end_us) if written.to else facts.end_us
        if since_us is None or until_us is None or since_us > facts.end_us:
            return _Finding(INCONCLUSIVE, why="the run ended before that time")
        came = [
            alarm
            for alarm in facts.alarms
            if written.name in ("any", alarm.name)
            and since_us <= alarm.at_us <= until_us
            and _overlaps(alarm, each.mask)
        ]
        if came:
            # Without its limits a run is missed for the first alarm that they do not shape.
            sure = (alarm for alarm in came if not (self.limits_missing and alarm.name in _SHAPED_ALARMS))
            alarm = next(sure, came[0])
            return _Finding(MISSED, f"{alarm.name} at {_clock(alarm.at_us)}", alarm.at_us, alarm=alarm.name)
        if facts.cut_short or until_us > facts.end_us:
            return _Finding(INCONCLUSIVE, why=_CUT_SHORT)
        return _Finding(HELD, "none")

    def _recovered(self, each: Watched, facts: Facts) -> _Finding:
        written = each.written
        step = self.steps[written.of]
        recovery = facts.recoveries.get(written.of)
        if recovery is None or step.ended_us is None:
            return _Finding(INCONCLUSIVE, why=f"step {written.of} did not end in this run")
        assert written.share is not None
        at_us = recovery.reached_us(written.share, facts.end_us)
        limit_us = written.within_us
        if at_us is not None:
            took_us = at_us - step.ended_us
            held = limit_us is None or took_us <= limit_us
            return _Finding(HELD if held else MISSED, f"after {seconds(took_us)}", at_us)
        if limit_us is not None and recovery.too_late(written.share, step.ended_us + limit_us, facts.end_us):
            return _Finding(MISSED, f"{recovery.share_now():.1%} at the end of the run".replace("%", " %"))
        return _Finding(INCONCLUSIVE, why="the run ended before it could be seen")

    def _objective(self, each: Watched, facts: Facts) -> _Finding:
        objective = facts.objectives[each.written.name]
        if objective.verdict == INCONCLUSIVE:
            return _Finding(INCONCLUSIVE, why="no data after the warm-up")
        held = objective.verdict == each.written.verdict
        return _Finding(HELD if held else MISSED, f"{objective.verdict}: {_shown(objective)}")

    def _always(self, each: Watched, facts: Facts) -> _Finding:
        if each.seen_false_us is not None:
            return _Finding(MISSED, f"false at {_clock(each.seen_false_us)}", each.seen_false_us)
        if facts.cut_short:
            return _Finding(INCONCLUSIVE, why=_CUT_SHORT)
        return self._unless_unknown(each, _Finding(HELD, f"true in all {each.judged} seconds"))

    def _never(self, each: Watched, facts: Facts) -> _Finding:
        if each.seen_true_us is not None:
            return _Finding(MISSED, f"true at {_clock(each.seen_true_us)}", each.seen_true_us)
        if facts.cut_short:
            return _Finding(INCONCLUSIVE, why=_CUT_SHORT)
        return self._unless_unknown(each, _Finding(HELD, f"false in all {each.judged} seconds"))

    def _eventually(self, each: Watched, facts: Facts) -> _Finding:
        written = each.written
        if each.seen_true_us is not None:
            return _Finding(HELD, f"at {_clock(each.seen_true_us)}", each.seen_true_us)
        since_us = self.steps.instant_us(written.after, facts.end_us) if written.after else 0
        latest_us = facts.end_us if written.within_us is None else None
        if latest_us is None and since_us is not None and written.within_us is not None:
            latest_us = since_us + written.within_us
        if facts.cut_short or since_us is None or latest_us is None or latest_us > facts.end_us:
            return _Finding(INCONCLUSIVE, why=_CUT_SHORT)
        return self._unless_unknown(each, _Finding(MISSED, "never true"))

    def _at(self, each: Watched, facts: Facts) -> _Finding:  # noqa: ARG002
        if each.seen_true_us is not None:
            return _Finding(HELD, "true", each.seen_true_us)
        return self._unless_unknown(each, _Finding(MISSED, "false", each.seen_false_us))

    @staticmethod
    def _unless_unknown(each: Watched, finding: _Finding) -> _Finding:
        if each.judged == 0:
            return _Finding(INCONCLUSIVE, why="no data: it could not be judged")
        return finding

    def _bounded(self, each: Watched, facts: Facts) -> _Finding:
        written = each.written
        if written.form == "count":
            value = float(facts.counts[written.name])
        else:
            ledger = facts.ledger
            amount = {"lost": sum(ledger.lost.values()), "delivered": ledger.delivered, "buffered": ledger.buffered}
            value = float(amount[written.name])
            if written.bound_is_share:
                if ledger.produced == 0:
                    return _Finding(INCONCLUSIVE, why="nothing was produced")
                value /= ledger.produced
        too_much = written.at_most is not None and value > written.at_most
        too_little = written.at_least is not None and value < written.at_least
        shown = share(value, up=written.at_most is not None) if written.bound_is_share else f"{value:,.0f}"
        if too_much:
            return _Finding(MISSED, shown)
        if facts.cut_short:
            return _Finding(INCONCLUSIVE, shown, why=_CUT_SHORT)
        if facts.end_us <= facts.warm_up_us:
            return _Finding(INCONCLUSIVE, shown, why="the run ended in its warm-up")
        return _Finding(MISSED if too_little else HELD, shown)


def _overlaps(alarm: Alarm, mask: Mask | None) -> bool:
    return mask is None or bool(mask[alarm.device].any())


def _shown(objective: ObjectiveResult) -> str | None:
    return None if objective.value is None else objective_value(objective)


def seconds(us: int) -> str:
    """A time taken, to a tenth of a second.

    Example:
        >>> seconds(103_927_312), seconds(120_000_000)
        ('103.9 s', '120 s')
    """
    return f"{us / SECOND_US:.1f}".removesuffix(".0") + " s"


def _wanted(written: Expectation) -> str:
    parts = []
    if written.share is not None:
        parts.append(f"{written.share * 100:g} %")
    for word, bound in (("at least", written.at_least), ("at most", written.at_most)):
        if bound is not None:
            parts.append(f"{word} {bound * 100:g} %" if written.bound_is_share else f"{word} {bound:,g}")
    if written.verdict:
        parts.append(written.verdict)
    if written.within_us is not None:
        parts.append(f"within {written.within_us / SECOND_US:g} s")
    if written.form in _WANTED:
        parts.insert(0, _WANTED[written.form])
    return " ".join(parts)


_WANTED = {
    "alarm": "raised",
    "no_alarm": "none",
    "always": "always true",
    "never": "never true",
    "eventually": "true once",
    "at": "true",
}
"""What the forms without a bound ask for."""
_CUT_SHORT = "the run ended before its time was over"


def _clock(at_us: int) -> str:
    seconds = at_us // SECOND_US
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
