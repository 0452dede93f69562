"""The panel: the detectors of a run, side by side, from what they are asked to what they raise.

Each pane every detector is asked once, unless it said before that there is nothing to score, and learns from it if all
was calm. One that breaks its contract is taken out, an incident of its own says so, and the others go on.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from twinstorm.detectors.alarms import Alarms, Changes
from twinstorm.detectors.certificates import ExpiringCertificates
from twinstorm.detectors.conduct import Conduct, Watching
from twinstorm.detectors.contract import Batch, Patient, Restful, Scorer, Steady, Telling
from twinstorm.detectors.derived import Derived, Widened
from twinstorm.detectors.fence import BrokenError, TakenOut, checked, fenced
from twinstorm.detectors.ingest import Ingest
from twinstorm.detectors.lasting import FOR_NOW, Hold, Lasting
from twinstorm.detectors.patterns import EventPattern, listen
from twinstorm.detectors.rule_alarms import RuleAlarm
from twinstorm.detectors.sessions import Sessions
from twinstorm.detectors.values.fleet import OnFleet
from twinstorm.detectors.values.trained import Trained
from twinstorm.twin.flow import Alarm, Device, Mask, Registry


class Panel:
    """All detectors of a run, and the alarms that come of them. All state is plain data.

    Args:
        registry: whose devices.
        detectors: in the order in which they are asked.
        warm_up_us: until then they learn, and nothing is scored.
        ingest, sessions: from where they have what arrives.
        derived: channels that detectors on values see beside those that devices send.

    Attributes:
        alarms: those of detectors, and of whoever else raises some.
        on_values: detectors that look at what readings say.
        patterns: detectors that look for events that follow each other.
        taken_out: detectors that broke, in the order in which they did.
    """

    def __init__(
        self,
        registry: Registry,
        detectors: Sequence[Scorer],
        warm_up_us: int,
        ingest: Ingest,
        sessions: Sessions,
        derived: Derived | None = None,
    ) -> None:
        self.alarms = Alarms(registry, detectors)
        self.on_values = [each for each in detectors if isinstance(each, OnFleet)]
        self.patterns = [each for each in detectors if isinstance(each, EventPattern)]
        self.taken_out: list[TakenOut] = []
        self._detectors = list(detectors)
        self._warm_up_us = warm_up_us
        self._quiet = {each.name: (each, Hold()) for each in detectors if isinstance(each, Restful)}
        """Of detectors that say for how long there is nothing to score."""
        self._settled: dict[str, Lasting] = {each.name: FOR_NOW for each in detectors if isinstance(each, Steady)}
        """Of detectors that say for how long the same devices are affected, if any are."""
        self._patient = [each for each in detectors if isinstance(each, Patient)]
        self._broken: dict[str, str] = {}
        """Detectors that broke outside a pane that is judged, with what they did; the next one takes them out."""
        self._happenings = listen(self.patterns)
        self._taps = self._value_taps = ingest.taps
        if derived is not None:
            widened = Widened(derived)
            self._taps.append(widened)
            self._value_taps = widened.taps
        self._value_taps.extend(self.on_values)
        self._taps.extend(Watching(each, self._broken) for each in detectors if isinstance(each, Conduct))
        sessions.happenings = ingest.happenings = self._happenings
        if self._happenings is not None and any(each.asks_late for each in self.patterns):
            self._taps.append(self._happenings)

    def __iter__(self) -> Iterator[Scorer]:
        """Detectors that look."""
        return iter(self._detectors)

    def add(self, alarm: RuleAlarm) -> None:
        """One more that scores devices.

        Raises:
            ValueError: there is one of its name.
        """
        self.alarms.watch(alarm)
        self._detectors.append(alarm)

    def renew_certificates(self, device: Device) -> None:
        """These, int32, have new ones."""
        for each in self._detectors:
            if isinstance(each, ExpiringCertificates):
                each.renew(device)

    @property
    def models(self) -> list[Trained]:
        """Stored models that look."""
        return [each for each in self.on_values if isinstance(each, Trained)]

    # --- a pane -------------------------------------------------------------------------------------------------------

    def look(self, batch: Batch, strangers: Mask | None, unusual: Mask | None, changes: Changes) -> None:
        """Let every detector look at a pane, and raise and resolve what follows from it.

        Args:
            strangers: devices that the registry does not list, of which nothing is said; None: there are none.
            unusual: bool (n,), set where a device is affected; None: nobody counts them.
            changes: gets what is new.
        """
        for each in self.on_values:
            each.turn(batch.now_us)
        if self._happenings is not None:
            happened = self._happenings.turn()
            for pattern in self.patterns:
                pattern.take(happened)
        for detector in tuple(self._detectors):
            try:
                self._ask(detector, batch, strangers, unusual, changes)
            except BrokenError as broken:
                self._take_out(detector, str(broken), batch.now_us, changes)
        self._look_at_models(batch.now_us, changes)
        self.alarms.look_at_clock(batch.now_us, changes)
        for alarm in (*changes.raised, *changes.flapping):
            self._let_tell(alarm)

    def tell_patterns(self, alarms: Sequence[Alarm], now_us: int) -> None:
        """New alarms are events too."""
        if self._happenings is not None:
            for alarm in alarms:
                self._happenings.raised(alarm.name, alarm.device, now_us)

    def _ask(
        self, detector: Scorer, batch: Batch, strangers: Mask | None, unusual: Mask | None, changes: Changes
    ) -> None:
        """Let one detector look at a pane.

        Raises:
            BrokenError: it did what it may not do.
        """
        broken = detector.broken if isinstance(detector, OnFleet) else self._broken.get(detector.name, "")
        if broken:
            raise BrokenError(broken)
        calm = True
        if batch.now_us > self._warm_up_us:
            if self._rests(detector, batch):
                calm = self.alarms.rest(batch.now_us, detector, changes)
            else:
                with fenced("score", detector):
                    score = checked(detector.score(batch), len(batch))
                if strangers is not None:
                    # Nothing can be said of strangers, whatever a detector makes of rows without news.
                    score = np.where(strangers, np.float32(np.nan), score)
                if unusual is not None and not detector.policy.apart:
                    unusual |= score >= detector.policy.threshold
                calm = self.alarms.step(batch.now_us, detector, score, changes)
                if detector.name in self._settled and isinstance(detector, Steady):
                    with fenced("settled", detector):
                        self._settled[detector.name] = detector.settled(batch) or FOR_NOW
        # A storm must not become the new normal; the one place where that is decided.
        if calm:
            with fenced("learn", detector):
                detector.learn(batch)

    def _rests(self, detector: Scorer, batch: Batch) -> bool:
        """Nobody comes near the limits of this detector."""
        restful, hold = self._quiet.get(detector.name, (None, None))
        if restful is None or hold is None:
            return False
        if hold.still(batch.now_us, batch.news):
            return True
        with fenced("quiet", restful):
            lasting = restful.quiet(batch)
        hold.renew(FOR_NOW if lasting is None else lasting)
        return lasting is not None

    def _look_at_models(self, now_us: int, changes: Changes) -> None:
        """One ticket a run for each model that the fleet has left behind. It is about no device: a model is wrong, and
        whatever befalls a device meanwhile is told as ever."""
        for each in self.models:
            drift = each.drifted(now_us, judged=now_us > self._warm_up_us)
            if drift is None or not drift.is_one or each.told or each.policy.shadow:
                continue
            each.told = True
            self.alarms.declare(each.alarm_of(drift), each.drift_headline, changes)

    def _let_tell(self, alarm: Alarm) -> None:
        """What its detector has to say of the devices of a new alarm, if it says anything."""
        for each in self._detectors:
            if each.name == alarm.name and isinstance(each, Telling):
                try:
                    with fenced("says", each):
                        alarm.says = str(each.says(alarm.device))
                except BrokenError as broken:
                    self._broken[each.name] = str(broken)

    def _take_out(self, detector: Scorer, what: str, now_us: int, changes: Changes) -> None:
        """This one looks no more, and an incident of its own says so. Its open alarms stay open."""
        self._detectors.remove(detector)
        self._quiet.pop(detector.name, None)
        self._settled.pop(detector.name, None)
        self._patient = [each for each in self._patient if each.name != detector.name]
        self.on_values = [each for each in self.on_values if each is not detector]
        if isinstance(detector, OnFleet):
            self._value_taps.remove(detector)
        elif isinstance(detector, Conduct):
            self._taps[:] = [tap for tap in self._taps if not isinstance(tap, Watching) or tap.detector is not detector]
        self.taken_out.append(TakenOut(detector.name, now_us, what))
        title = f"detector {detector.name} broke and looks no more: {what}"
        changes.opened.append(self.alarms.incidents.open_own(title, detector.name, now_us))

    # --- panes that are alike -----------------------------------------------------------------------------------------

    @property
    def stands(self) -> bool:
        """Nothing is open or about to be, or all that is stays so, until an answer (`answers`) changes."""
        return len(self._patient) == len(self._detectors) and all(map(self._is_still, self._detectors))

    def answers(self) -> list[Lasting]:
        """For how long what each detector found in the newest pane holds."""
        return [
            hold.lasting if name not in self._settled or self.alarms.is_idle(each) else self._settled[name]
            for name, (each, hold) in self._quiet.items()
        ]

    def pass_by(self, panes: int) -> None:
        """So many panes were like the newest one."""
        for detector in self._patient:
            try:
                with fenced("pass_by", detector):
                    detector.pass_by(panes)
            except BrokenError as broken:
                self._broken[detector.name] = str(broken)

    def _is_still(self, detector: Scorer) -> bool:
        settles = detector.name in self._settled and self.alarms.is_settled(detector)
        return settles or self.alarms.is_idle(detector)
