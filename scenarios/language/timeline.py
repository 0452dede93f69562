"""When the steps of a scenario happen. All instants follow from the file, so wrong ones are found before a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from twinstorm.scenarios.language import values
from twinstorm.scenarios.language.errors import Place, Problems, closest, listed, quoted
from twinstorm.scenarios.language.fields import wrong
from twinstorm.scenarios.language.nodes import Node, ScalarNode
from twinstorm.scenarios.language.quantities import Instant

Event = tuple[str, str]
"""(edge, step): ``("start", "outage")``."""


@dataclass
class Planned:
    """What the timeline needs to know of a step.

    Attributes:
        trigger: when it happens; None if that could not be read.
        action: fault, end, mark, expect; empty if it could not be read.
        ends: step that it ends, with the action `end`.
        lasts_us: of a fault; None: until ended.
        lasts: place of `lasts`.
        expects: it has an expectation.
    """

    name: str
    node: Node
    place: Place
    trigger: Instant | None
    trigger_node: Node | None
    action: str
    ends: str = ""
    ends_node: Node | None = None
    lasts_us: int | None = None
    lasts: Place | None = None
    expects: bool = False


class Timeline:
    """Instants of all steps. Tells what is wrong with references between steps when it is made.

    Args:
        complete: all steps are among them; else a step that is not known may exist.
        duration_us, warm_up_us: of the run; None if they could not be read.
    """

    def __init__(
        self,
        steps: Sequence[Planned],
        complete: bool,
        duration_us: int | None,
        warm_up_us: int | None,
        problems: Problems,
    ) -> None:
        self._steps: dict[str, Planned] = {}
        for step in steps:
            self._steps.setdefault(step.name, step)
        self._complete = complete
        self._duration_us, self._warm_up_us = duration_us, warm_up_us
        self._problems = problems
        self._ended_by = self._enders(steps)
        self._known: dict[Event, int | None] = {}
        for step in steps:
            if step.trigger is not None and step.trigger_node is not None:
                self.check_reference(step.trigger, step.trigger_node)
        self._resolve(steps)
        for step in steps:
            self._check_instant_of(step)

    # --- references ---------------------------------------------------------------------------------------------------

    def check_reference(self, instant: Instant, node: Node) -> None:
        """Tell if an instant refers to a step that does not exist, or to the end of one that has none."""
        if instant.step is None:
            return
        if instant.step not in self._steps:
            self._tell_unknown(node, instant.step)
        elif instant.edge == "end" and not self._has_end(instant.step):
            step = self._steps[instant.step]
            hint = f"write `{step.name}`, its only instant"
            if step.action == "fault":
                hint = f"give it `lasts`, or end it by a step with `end: {step.name}`"
            self._problems.add(wrong(node, "S307", f"step `{step.name}` has no end", hint))

    def find_fault(self, name: str, node: Node, wants_end: bool) -> None:
        """Tell if a name is not that of a step with a fault (that ends)."""
        step = self._steps.get(name)
        if step is None:
            self._tell_unknown(node, name)
        elif step.action and step.action != "fault":
            faults = [one.name for one in self._steps.values() if one.action == "fault"]
            hint = f"steps with a fault: {listed(faults)}" if faults else "no step of this scenario has a fault"
            self._problems.add(wrong(node, "S307", f"step `{name}` has no fault", hint))
        elif wants_end and step.action and not self._has_end(name):
            hint = f"give it `lasts`, or end it by a step with `end: {name}`"
            self._problems.add(wrong(node, "S307", f"step `{name}` has no end", hint))

    def _tell_unknown(self, node: Node, name: str) -> None:
        if not self._complete:
            return
        names = tuple(step.name for step in self._steps.values())
        place = node.part(max(node.text.find(name), 0), len(name)) if isinstance(node, ScalarNode) else node.place
        hint = f"steps: {listed(names)}" if names else "this scenario has no steps"
        message = f"there is no step {quoted(name)}"
        meant = closest(name, names)
        self._problems.add(wrong(node, "S302", message, hint, place, allowed=names, suggestion=meant))

    def _has_end(self, name: str) -> bool:
        step = self._steps[name]
        # An action that could not be read has been told; it may well have an end.
        return not step.action or step.lasts is not None or name in self._ended_by

    def _enders(self, steps: Sequence[Planned]) -> dict[str, Planned]:
        """Step to the one that ends it."""
        found: dict[str, Planned] = {}
        for step in steps:
            if not step.ends or step.ends_node is None:
                continue
            self.find_fault(step.ends, step.ends_node, wants_end=False)
            ended = self._steps.get(step.ends)
            if ended is None:
                continue
            if ended.lasts is not None:
                message = f"step `{ended.name}` ends twice, by `lasts` and by step `{step.name}`"
                hint = f"remove `lasts`, or step `{step.name}`"
                self._problems.add(wrong(step.ends_node, "S409", message, hint, also=(ended.lasts,)))
            elif step.ends in found:
                message = f"step `{ended.name}` ends twice, by steps `{found[step.ends].name}` and `{step.name}`"
                self._problems.add(wrong(step.ends_node, "S409", message, "remove one of the two"))
            else:
                found[step.ends] = step
        return found

    # --- instants -----------------------------------------------------------------------------------------------------

    def instant_us(self, instant: Instant) -> int | None:
        """When this is; None if it cannot be told, for a reason that has been told."""
        if instant.step is not None:
            base = self._known.get((instant.edge, instant.step))
        else:
            base = self._duration_us if instant.edge == "end" else 0
        return None if base is None else base + instant.offset_us

    def _resolve(self, steps: Sequence[Planned]) -> None:
        """Work out start and end of every step; steps that wait for each other are told and stay unknown."""
        for step in steps:
            for edge in ("start", "end"):
                self._follow((edge, step.name))

    def _follow(self, event: Event) -> None:
        """Walk to an event that waits for nothing, then back."""
        path: list[Event] = []
        while event not in self._known:
            if event in path:
                circle = path[path.index(event) :]
                self._tell_circle(circle)
                self._known |= dict.fromkeys(path, None)
                return
            path.append(event)
            before = self._before(event)
            if before is None:
                break
            event = before
        for waiting in reversed(path):
            self._known[waiting] = self._instant_of(waiting)

    def _before(self, event: Event) -> Event | None:
        """The event that this one waits for."""
        edge, name = event
        step = self._steps.get(name)
        if step is None:
            return None
        if edge == "start":
            trigger = step.trigger
            return (trigger.edge, trigger.step) if trigger is not None and trigger.step is not None else None
        if name in self._ended_by:
            return ("start", self._ended_by[name].name)
        return ("start", name)

    def _instant_of(self, event: Event) -> int | None:
        edge, name = event
        step = self._steps.get(name)
        if step is None:
            return None
        if edge == "start":
            return None if step.trigger is None else self.instant_us(step.trigger)
        if name in self._ended_by:
            return self._known.get(("start", self._ended_by[name].name))
        start_us = self._known.get(("start", name))
        return None if start_us is None or step.lasts_us is None else start_us + step.lasts_us

    def _tell_circle(self, circle: Sequence[Event]) -> None:
        names = list(dict.fromkeys(name for _, name in circle))
        first = next(step for step in self._steps.values() if step.name in names)
        at = names.index(first.name)
        names = names[at:] + names[:at]
        shown = f"steps {' and '.join(f'`{name}`' for name in names)} wait for each other"
        if len(names) == 1:
            shown = f"step `{names[0]}` waits for itself"
        node = first.trigger_node or first.node
        self._problems.add(wrong(node, "S406", shown, "give one of them an instant of its own: `at: 5 min`"))

    # --- the run ------------------------------------------------------------------------------------------------------

    def _check_instant_of(self, step: Planned) -> None:
        start_us, node = self._known.get(("start", step.name)), step.trigger_node
        if start_us is None or node is None or self._steps[step.name] is not step:
            return
        inside = self.check_inside(start_us, node, may_be_end=step.action == "expect")
        if inside and not self._in_warm_up(step, start_us, node) and step.expects:
            self.check_judged(start_us, node)
        end_us = self._known.get(("end", step.name))
        ender = self._ended_by.get(step.name)
        if ender is not None and end_us is not None and end_us <= start_us:
            shown = values.show_duration(start_us)
            message = f"step `{step.name}` ends before it begins"
            place = ender.trigger_node or ender.node
            self._problems.add(wrong(place, "S409", message, f"it begins at {shown}: end it later"))

    def _in_warm_up(self, step: Planned, start_us: int, node: Node) -> bool:
        """Whether a fault starts in the warm-up; tells if so."""
        if step.action != "fault" or self._warm_up_us is None or start_us >= self._warm_up_us:
            return False
        message = f"step `{step.name}` starts a fault at {values.show_duration(start_us)}, in the warm-up"
        hint = f"start it at {values.show_duration(self._warm_up_us)} or later, or shorten `warm_up`"
        self._problems.add(wrong(node, "S407", message, hint))
        return True

    def check_inside(self, at_us: int, node: Node, may_be_end: bool = True) -> bool:
        """Whether an instant lies within the run; tells if not."""
        if at_us < 0:
            message = f"{quoted(_text(node))} lies {values.show_duration(-at_us)} before the start of the run"
            self._problems.add(wrong(node, "S408", message, "choose a later instant"))
            return False
        if self._duration_us is None or at_us < self._duration_us or (may_be_end and at_us == self._duration_us):
            return True
        over = at_us - self._duration_us
        where = f"{values.show_duration(over)} after the end of the run" if over else "at the end of the run"
        message = f"{quoted(_text(node))} lies {where}"
        hint = f"choose an instant before {values.show_duration(self._duration_us)}, or lengthen `duration`"
        self._problems.add(wrong(node, "S408", message, hint))
        return False

    def check_judged(self, at_us: int, node: Node) -> None:
        """Tell if an expectation of an instant within the run stands where nothing is judged."""
        if self._warm_up_us is not None and at_us <= self._warm_up_us:
            message = f"{quoted(_text(node))} lies in the warm-up: nothing is judged there"
            hint = f"choose an instant after {values.show_duration(self._warm_up_us)}"
            self._problems.add(wrong(node, "S407", message, hint))


def _text(node: Node) -> str:
    return node.text.strip() if isinstance(node, ScalarNode) else node.path
