"""The processing core: what has arrived, what it means, and what is wrong.

The engine hands over session events and deliveries as they arrive and closes a pane once a simulated second. All state
is plain data: a pickle is a snapshot. Nothing here knows the truth; labels are for `scoring.py`, after the fact.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from twinstorm.detectors.alarms import Changes
from twinstorm.detectors.battery import CHANNEL
from twinstorm.detectors.burn_alarms import BurnAlarms
from twinstorm.detectors.catalogue import ALWAYS, make
from twinstorm.detectors.configurations import Reported
from twinstorm.detectors.continuity import Continuity, Silence
from twinstorm.detectors.contract import Batch
from twinstorm.detectors.counting import Counting, Planned
from twinstorm.detectors.deadletters import DeadLetter
from twinstorm.detectors.derived import Derived
from twinstorm.detectors.door_rates import DoorRates
from twinstorm.detectors.event_time import Asked, EventTime
from twinstorm.detectors.fence import TakenOut
from twinstorm.detectors.ingest import Ingest
from twinstorm.detectors.intake import Intake, Processing
from twinstorm.detectors.lasting import FOR_NOW, UNKNOWN_NEWS, Hold, Lasting, News, clock_us, jointly, silences_us
from twinstorm.detectors.lineup import build
from twinstorm.detectors.listing import MISSING
from twinstorm.detectors.objectives import Objective, Standing, Track
from twinstorm.detectors.observed import ObservedStates
from twinstorm.detectors.panel import Panel
from twinstorm.detectors.panes import Pane, Passed
from twinstorm.detectors.patterns import EventPattern
from twinstorm.detectors.renewals import Renewals
from twinstorm.detectors.routing import Router
from twinstorm.detectors.series import Members, Series, panes_of
from twinstorm.detectors.sessions import Sessions
from twinstorm.detectors.slis import Connectivity, Sli
from twinstorm.detectors.stages import Stages
from twinstorm.detectors.streams import Streams
from twinstorm.detectors.tally import Outcomes
from twinstorm.detectors.taps import Follower, Tap
from twinstorm.detectors.values.fleet import OnFleet
from twinstorm.detectors.values.trained import Trained
from twinstorm.detectors.values.wear import Wear
from twinstorm.detectors.waits import HeadWait
from twinstorm.twin.flow import (
    NEVER_US,
    SECOND_US,
    Alarm,
    BrokerCounters,
    CloudOutcome,
    Codes,
    Delivery,
    Device,
    Evidence,
    Example,
    Exhibits,
    Finding,
    Incident,
    Int,
    Mask,
    Registry,
    SessionEvents,
    Values,
)

EXAMPLES = 10
"""Devices of an alarm of which is kept what it rests on."""
READINGS_REFUSED = "readings_refused"


class Core(Exhibits):
    """Processes what reaches the cloud.

    Args:
        registry: who was commissioned. Faults may take devices off it for a while.
        objectives: judged over the panes that end after the warm-up.
        detectors: detector to its settings, see `lineup.build`; None: every installed one but those on values.
        warm_up_us: until then detectors learn and nothing is judged or raised.
        run_us: length of the run if known: an error budget is then that of the whole run.
        also: SLIs that are asked for beside those of objectives; the usual four (`catalogue.ALWAYS`) always can be.
        derived: channels that detectors on values see beside those that devices send.

    Raises:
        ValueError: unknown SLI, detector or setting; the text names what is allowed.

    Attributes:
        reboots: new boot numbers seen after the warm-up.
        event_time: windows of what is measured; None: nobody asked for any (`keep_windows`).
        intake: where readings wait to be processed; None: they are as they come (`process_by`).
        stages: when some of them were where; None: nobody asks (`follow`).
        streams: what is asked of the stream of readings; None: nothing (`keep_streams`).
        router: where readings are sent on to; None: nowhere (`route_by`).
        continuity: who is silent, sensor by sensor; None: nobody asks (`tell_silences`).
    """

    def __init__(
        self,
        registry: Registry,
        objectives: Sequence[Objective],
        detectors: Mapping[str, Mapping[str, Any]] | None,
        warm_up_us: int,
        run_us: int | None = None,
        also: Iterable[str] = (),
        derived: Derived | None = None,
    ) -> None:
        self.registry = registry
        self.reboots = 0
        self._warm_up_us = warm_up_us
        self._ingest = Ingest(registry)
        self.event_time: EventTime | None = None
        self.intake: Intake | None = None
        self.stages: Stages | None = None
        self.streams: Streams | None = None
        self.router: Router | None = None
        self.continuity: Continuity | None = None
        self._followers: list[Follower] = []
        """In the order in which they were asked for."""
        self._listing = self._ingest.listing
        self._listed: Members | None = None
        """Devices that the registry lists, while it does not list all."""
        self._sessions = Sessions(len(registry), self._listing)
        self.evidence: dict[str, Counter[str]] = {}
        self._reported = None if registry.configuration is None else Reported(registry.configuration)
        self._observed = ObservedStates(registry)
        self._panel = Panel(
            registry,
            build(registry if derived is None else derived.registry, detectors),
            warm_up_us,
            self._ingest,
            self._sessions,
            derived,
        )
        self._alarms = self._panel.alarms
        self._renewals = Renewals(self._panel.on_values, registry.every_us)
        self._series = [Series(make(name, {}), len(registry)) for name in sorted({*ALWAYS, *also})]
        self._tracks: dict[str, Track] = {}
        for objective in objectives:
            if objective.name in self._tracks:
                raise ValueError(f"two objectives are called `{objective.name}`")
            sli = make(objective.sli, objective.settings)
            series = self._series_of(sli)
            if series is None:
                series = Series(sli, len(registry))
                self._series.append(series)
            self._tracks[objective.name] = Track(objective, series, warm_up_us, run_us)
        self._counting = Counting.of(len(registry), [series.sli for series in self._series])
        if self._counting is not None and self._counting.heard is not None:
            self._ingest.taps.append(self._counting.heard)
        self._planned: Planned | None = None
        self._emptied_us = self._waited_us = 0
        self._head = HeadWait()
        self._burns = BurnAlarms(self._tracks, self._alarms)
        self._now_us = 0
        self._rated = DoorRates()
        self._before = (0, 0, 0)
        self._misdated_before = 0
        self._unjudged = News()
        """What came in fragments of a second since the last pane that was judged."""
        self._rest = Hold()
        """For how long all panes are like the newest one, whatever it showed."""
        self._passed = 0
        """Panes since then that were like it, and were not added anywhere yet."""
        self._slis: Mapping[str, tuple[int, int]] = {}
        """Of the newest pane that was judged."""
        self._missing: tuple[Int, Int] | None = None
        """Devices whose next reading changes what an indicator says, with their last arrivals so far; None: unknown."""
        self._columns: tuple[Int, Mask, Int, Int, Int, Mask] | None = None
        """Read-only views of what has arrived, for batches."""

    # --- whom the registry lists ------------------------------------------------------------------------------------

    def strike_off(self, step: str, device: Device, entry: str = MISSING) -> None:
        """See `Knowledge`."""
        gone = self._listing.strike(step, device, entry)
        self._ingest.forget(gone)
        self._sessions.hide(gone)
        self._look_again()

    def list_again(self, step: str, at_us: int) -> None:
        """See `Knowledge`."""
        back, refused = self._listing.enter(step)
        self.bit(step, READINGS_REFUSED, refused)
        self._sessions.show(back, at_us)
        self._look_again()

    def _look_again(self) -> None:
        """Another registry: no answer about the fleet outlives it."""
        self._catch_up()
        self._rest.renew(FOR_NOW)
        self._missing = None
        strangers = self._listing.strangers
        self._listed = None if strangers is None else Members.of(~strangers)
        self._unjudged = UNKNOWN_NEWS

    @property
    def refused_per_device(self) -> Int | None:
        """int64 (n,), readings refused because of the entry of their device; None: there are none."""
        return self._listing.letters

    def evidence_of(self, step: str) -> Evidence:
        """What a step did to the core itself."""
        found = Counter(super().evidence_of(step).counts)
        refused = self._listing.refused(step)
        if refused:
            found[READINGS_REFUSED] += refused
        return Evidence(dict(found))

    def keep_windows(self, asked: Sequence[Asked], lateness_us: int) -> EventTime:
        """Keep windows in event time of what is accepted from now on; once. Minutes are not played at once then.

        Raises:
            ValueError: an unknown level, or a span that is none.
        """
        self.event_time = EventTime(self.registry, asked, lateness_us)
        self._let_follow(self.event_time)
        return self.event_time

    def listen(self, tap: Tap) -> None:
        """Let somebody have every reading that is accepted from now on. Minutes are not played at once then."""
        self._ingest.taps.append(tap)

    def _let_follow(self, follower: Follower) -> None:
        """Let somebody have every reading, and see every second end."""
        self.listen(follower)
        self._followers.append(follower)

    def follow(self, every: int, window_us: int, lateness_us: int) -> Stages:
        """Follow one reading in so many of each device from now on; once. Raises ValueError as `Stages` does."""
        self.stages = Stages(len(self.registry), every, window_us, lateness_us)
        self._let_follow(self.stages)
        return self.stages

    def keep_streams(self, streams: Streams) -> None:
        """Let these have every reading that is accepted from now on, and see every second end; once.

        Raises:
            ValueError: a join raises alarms of a name that somebody else's have.
        """
        self.streams = streams
        self._let_follow(streams)
        for alarm in streams.alarms:
            self._panel.add(alarm)

    def route_by(self, router: Router) -> None:
        """Let rules say where every reading goes that is accepted from now on; once.

        Raises:
            ValueError: a rule raises alarms of a name that somebody else's have.
        """
        self.router = router
        router.letters = self._ingest.dead
        self._let_follow(router)
        for alarm in router.alarms.values():
            self._panel.add(alarm)

    def tell_silences(self) -> Continuity:
        """From now on know of every sensor when it was heard; once."""
        self.continuity = Continuity(self.registry)
        self.listen(self.continuity)
        return self.continuity

    def silences(self, now_us: int, periods: float, least_us: int) -> Codes:
        """See `Continuity.at`; of whom the registry does not list nobody knows. Only after `tell_silences`."""
        assert self.continuity is not None, "nobody has asked before"
        found = self.continuity.at(now_us, periods, least_us)
        strangers = self._listing.strangers
        return found if strangers is None else np.where(strangers & (found != Silence.NO_CHANNEL), Silence.NEVER, found)

    def process_by(self, processing: Processing) -> Intake:
        """From now on readings wait for whoever processes them; once, before the first."""
        self.intake = Intake(processing, self.registry)
        return self.intake

    # --- what arrives -------------------------------------------------------------------------------------------------

    def ingest(self, delivery: Delivery) -> None:
        """Take readings, or let them wait to be processed. Raises nothing, whatever they hold."""
        if self.intake is None:
            self._take(delivery)
            return
        at_once = self.intake.offer(delivery)
        if at_once is not None:
            self._take(at_once)

    def crash_consumers(self, step: str, consumers: int) -> None:
        """See `Knowledge`."""
        if self.intake is None:
            return
        dead, replayed = self.intake.crash(consumers)
        self.bit(step, "consumers_crashed", dead)
        self.bit(step, "readings_replayed", replayed)

    def _take(self, delivery: Delivery) -> None:
        began = self._ingest.take(delivery)
        if began is not None:
            self._sessions.saw_boot(began.device, began.boot, began.at_us)

    def sessions(self, events: SessionEvents) -> None:
        """Take births, wills, closes and takeovers, in their order."""
        self._sessions.take(events)
        if self._reported is not None:
            self._reported.take(events)

    def report(self, name: str, device: Device, took_us: Int) -> None:
        """Take what whoever operates the fleet reports for `update_success`, `command_latency`, `latency_to_act` or
        `latency_to_act_edge`; nobody does in this version. What no objective asks for is not kept.

        Args:
            device: int32 (m,), whose update, command or action ended.
            took_us: int64 (m,), from its first try; `NEVER_US`: it failed, was given up, or ended in part.
        """
        if self._counting is not None:
            self._counting.report(name, Outcomes(device, took_us))

    def expect_reboots(self, device: Device, until_us: int) -> None:
        """The next reboot of each of these devices is planned if it comes by then, and `reboot_rate` leaves it out."""
        self._planned = self._planned or Planned(len(self.registry))
        self._planned.expect(device, until_us)
        self._rest.renew(FOR_NOW)

    def serviced(self, device: Device, now_us: int) -> None:
        """The log of whoever works at devices says that these, int32, each once, were repaired, calibrated or replaced:
        detectors on values learn them anew."""
        self._renewals.begin(device, now_us)

    def certified(self, device: Device) -> None:
        """See `Knowledge`."""
        self._catch_up()
        self._rest.renew(FOR_NOW)
        self._panel.renew_certificates(device)

    @property
    def services(self) -> int:
        """Entries of that log so far, one a device and piece of work."""
        return self._renewals.count

    # --- panes --------------------------------------------------------------------------------------------------------

    def close_pane(self, now_us: int, broker: BrokerCounters) -> Pane:
        """End a simulated second: count SLIs, let detectors score, raise and resolve alarms.

        A fragment of a second, as at the end of a run that is stopped, closes the books only: it is judged by nobody.

        Args:
            now_us: a whole second, later than the last one.
        """
        self._waited_us = self._head.look(now_us, broker.queue, broker.messages_out)
        if self.intake is not None:
            for delivery in self.intake.advance(now_us):
                self._take(delivery)
            self._waited_us = max(self._waited_us, self.intake.waited_us)
            # To whoever waits for readings it is all one where they wait.
            broker = replace(broker, queue=broker.queue + self.intake.lag)
        self._renewals.turn(now_us)
        seconds = now_us // SECOND_US - self._now_us // SECOND_US
        news = self._news(broker)
        attempts, refused = self._rates(broker, max(seconds, 1))
        changes = Changes()
        slis: Mapping[str, tuple[int, int]]
        if now_us - self._now_us == SECOND_US and self._rest.still(now_us, news):
            slis, self._unjudged = self._slis, news
            self._passed += 1
            self._alarms.incidents.forget(now_us)
        elif seconds >= 1 and now_us % SECOND_US == 0:
            self._catch_up()
            for _ in range(seconds - 1):
                self._skip()
            slis = self._slis = self._judge(self._batch(now_us, broker, news), changes)
            self._unjudged = News()
            self._rest.renew(self._resting(now_us))
            self._missing = self._wait_for()
        else:
            slis, self._unjudged = dict.fromkeys(self._tracks, (0, 0)), news
            self._catch_up()
            self._observed.close(now_us, self._ingest.last_arrival_us, self._sessions, news)
            self._rest.renew(FOR_NOW)
            self._missing = None
        reboots = self._sessions.reboots
        if now_us > self._warm_up_us:
            self.reboots += reboots
        else:
            self._misdated_before = self._ingest.misdated
        now = (self.accepted, self.repeated, sum(self.dead_letters.values()))
        accepted, repeated, dead = (after - before for after, before in zip(now, self._before, strict=True))
        self._before, self._now_us = now, now_us
        if not broker.queue:
            self._emptied_us = now_us
        self._sessions.turn()
        self._ingest.turn()
        through_us = now_us if self.intake is None else min(self.intake.through_us, now_us)
        for follower in self._followers:
            follower.close(now_us, through_us)
        if self.stages is not None:
            for alarm in changes.raised:
                self.stages.alarmed(alarm.device, now_us)
        return Pane(
            at_us=now_us,
            accepted=accepted,
            repeated=repeated,
            dead_letters=dead,
            slis=slis,
            live_sessions=int(np.count_nonzero(self._sessions.live)),
            reboots=reboots,
            attempts=attempts,
            refused=refused,
            new_alarms=changes.raised,
            resolved_alarms=changes.resolved,
            new_incidents=changes.opened,
            resolved_incidents=changes.closed,
            flapping_alarms=changes.flapping,
            escalated=changes.escalated,
        )

    @property
    def rests(self) -> bool:
        """The next panes may all be like the newest one."""
        return self._rest.holds_at(self._now_us)

    def close_panes(self, now_us: int, broker: BrokerCounters, outcome: CloudOutcome) -> list[tuple[Passed, Pane]]:
        """End some whole seconds at once, and look at those alone in which an answer may change.

        Args:
            now_us: end of the last one, as in `close_pane`.
            broker: its counters, which may not have changed in them.
            outcome: all that came in them.

        Returns:
            Panes that were looked at, the last one among them, each with those that passed before it. None at all:
            nobody knows which these are, and nothing was taken; they must be closed one by one.
        """
        if not self.rests or len(outcome.sessions) or not self._rated.is_unchanged(broker):
            return []
        silences = silences_us(self._answers())
        if silences is None or self._unjudged != News(reading_us=self._unjudged.reading_us):
            return []
        turn = self._ingest.in_turn(outcome.deliveries)
        if turn is None:
            return []
        changes_us = turn.changes_us(silences, self._ingest.last_arrival_us, self._now_us, now_us)
        self._ingest.begin_turn(turn)
        first_us = self._now_us
        ends_us = np.arange(first_us, now_us + 1, SECOND_US)
        arrived = np.searchsorted(turn.at_us, ends_us, side="right")
        arrived[0] = 0
        changes_us.append(now_us)
        closed = []
        while self._now_us < now_us:
            next_us = changes_us[bisect_right(changes_us, self._now_us)]
            next_us = min(next_us, -(-clock_us(self._answers()) // SECOND_US) * SECOND_US)
            end_us = next_us if self._rest.holds_at(self._now_us) else self._now_us + SECOND_US
            before, end = (self._now_us - first_us) // SECOND_US, (end_us - first_us) // SECOND_US
            came = slice(int(arrived[before]), int(arrived[end]))
            passed = Passed(np.diff(arrived[before:end]), self._slis, int(np.count_nonzero(self._sessions.live)))
            self._pass(len(passed.accepted), broker)
            self._ingest.arrive(turn.device[came], turn.at_us[came])
            self._before = (self.accepted - int(arrived[end] - arrived[end - 1]), *self._before[1:])
            closed.append((passed, self.close_pane(end_us, broker)))
        return closed

    def _pass(self, panes: int, broker: BrokerCounters) -> None:
        """So many panes are over that are like the newest one; look at the next."""
        self._passed += panes
        if panes:
            self._rates(broker, panes)
        self._now_us += panes * SECOND_US
        self._rest.renew(FOR_NOW)

    def _judge(self, batch: Batch, changes: Changes) -> Mapping[str, tuple[int, int]]:
        """Look at a pane. Returns good and total of each objective."""
        # Before indicators, one of which counts scores.
        counting = self._counting
        self._panel.look(batch, self._listing.strangers, None if counting is None else counting.unusual, changes)
        for alarm in changes.raised:
            alarm.examples = self._examples(alarm)
        tended = self._tended()
        for series in self._series:
            series.close(batch, tended if isinstance(series.sli, Connectivity) else self._listed)
        slis = {name: track.close(batch.now_us) for name, track in self._tracks.items()}
        if counting is not None:
            counting.turn()
        if batch.now_us > self._warm_up_us:
            self._burns.step(batch.now_us, self._listing.strangers, changes)
        self._panel.tell_patterns([*changes.raised, *changes.flapping], batch.now_us)
        self._observed.close(batch.now_us, batch.last_arrival_us, self._sessions, batch.news)
        return slis

    def _tended(self) -> Members | None:
        """Devices that the registry lists and on which no work is planned; None: all."""
        muted, strangers = self._alarms.muted, self._listing.strangers
        if muted is None:
            return self._listed
        return Members.of(~muted if strangers is None else ~(muted | strangers))

    def _resting(self, now_us: int) -> Lasting:
        """For how long all panes will be like the one that was judged just now."""
        if now_us <= self._warm_up_us or self._listing.barred is not None or self._alarms.muted is not None:
            return FOR_NOW
        if not self._burns.rest or not self._panel.stands:
            return FOR_NOW
        return jointly(self._answers())

    def _answers(self) -> list[Lasting]:
        """For how long everything that was found in the newest pane holds."""
        return [self._observed.hold.lasting, *self._panel.answers(), *(each.hold.lasting for each in self._series)]

    def _wait_for(self) -> tuple[Int, Int]:
        """Devices whose next reading changes what an indicator says, with their last arrivals."""
        missing = [series.missing for series in self._series if series.missing is not None]
        device = np.concatenate(missing) if missing else np.empty(0, np.int64)
        return device, self._ingest.last_arrival_us[device]

    def _catch_up(self) -> None:
        """Add the panes that were like the one that was judged last."""
        panes, self._passed = self._passed, 0
        if not panes:
            return
        for series in self._series:
            series.repeat(panes)
        for track in self._tracks.values():
            track.repeat(panes, self._now_us)
        self._panel.pass_by(panes)

    def _rates(self, broker: BrokerCounters, seconds: int) -> tuple[int, int]:
        """CONNECTs since the last pane."""
        return self._rated.add(broker, sum(self.dead_letters.values()), self._ingest.astray, seconds)

    def _skip(self) -> None:
        for series in self._series:
            series.skip()
        for track in self._tracks.values():
            track.skip()

    def _news(self, broker: BrokerCounters) -> News:
        """What came since the last pane that was judged."""
        sessions, earlier = self._sessions, self._unjudged
        reading_us = self._ingest.readings_from_us
        session_us, reboot_us = sessions.events_from_us, sessions.reboots_from_us
        waking_us = NEVER_US if reading_us == NEVER_US or self._nobody_woke() else reading_us
        broker_us = NEVER_US if self._rated.is_unchanged(broker) else self._now_us
        came = reading_us, session_us, reboot_us, waking_us, broker_us
        known = earlier.reading_us, earlier.session_us, earlier.reboot_us, earlier.waking_us, earlier.broker_us
        news = tuple(map(min, came, known))
        return earlier if news == known else News(*news)

    def _nobody_woke(self) -> bool:
        """Surely no reading came of a device that is waited for."""
        if self._missing is None:
            return False
        device, last_us = self._missing
        return not len(device) or bool((self._ingest.last_arrival_us[device] == last_us).all())

    def _batch(self, now_us: int, broker: BrokerCounters, news: News) -> Batch:
        if self._columns is None:
            sessions = self._sessions
            self._columns = (
                self._ingest.last_arrival_us.view(),
                sessions.live.view(),
                sessions.born_us.view(),
                sessions.ended_us.view(),
                sessions.rebooted_us.view(),
                sessions.rebooted.view(),
            )
            for column in self._columns:
                column.flags.writeable = False
        return Batch(
            now_us,
            *self._columns,
            attempts=self._rated.attempts.newest,
            refused=self._rated.refused.newest,
            letters=self._rated.letters.newest,
            astray=self._rated.astray.newest,
            queue=broker.queue,
            broker_up=broker.up,
            news=news,
            **self._asked_of(now_us, broker),
        )

    def _asked_of(self, now_us: int, broker: BrokerCounters) -> dict[str, Any]:
        """What a batch holds for some indicators."""
        asked: dict[str, Any] = {
            "emptied_us": self._emptied_us if broker.queue else now_us,
            "waited_us": self._waited_us,
        }
        if self._planned is not None:
            asked["planned"] = self._planned.among(self._sessions.rebooted, now_us)
        if self._reported is not None:
            asked["drifted_us"] = self._reported.drifted_us.view()
            asked["drifted_us"].flags.writeable = False
        counting = self._counting
        if counting is not None:
            refused = sum(self.dead_letters.values())
            asked["tally"] = counting.tally(self.accepted, self.repeated, refused, broker)
            if counting.battery is not None:
                if counting.battery.is_due(now_us):
                    counting.battery.look(now_us, self.newest_of(CHANNEL))
                asked["battery_us"] = counting.battery.lasts_us
        return asked

    def __getstate__(self) -> dict[str, Any]:
        # In a snapshot a view would be a copy that nothing keeps up to date.
        return self.__dict__ | {"_columns": None}

    def _examples(self, alarm: Alarm) -> tuple[Example, ...]:
        """What is known of some devices; of an alarm on values, of those first whose values are known."""
        on_values = next((each for each in self.on_values if each.name == alarm.name), None)
        if on_values is None:
            return self._known_of(alarm.device)
        witnessed = on_values.witnessed(alarm.device)
        found = self._known_of(witnessed) + self._known_of(alarm.device[~np.isin(alarm.device, witnessed)])
        return tuple(replace(each, seen=on_values.seen(each.device)) for each in found[:EXAMPLES])

    def _known_of(self, device: Device) -> tuple[Example, ...]:
        """Some of these, those that were heard longest ago first."""
        last_us = self._ingest.last_arrival_us
        some = device[np.argsort(last_us[device], kind="stable")[:EXAMPLES]].tolist()
        return tuple(
            Example(
                each, int(last_us[each]), int(self.last_seq[each]), int(self.boot[each]), bool(self.session_live[each])
            )
            for each in some
        )

    def spoilers(self, name: str) -> tuple[Example, ...]:
        """What is known of some devices that counted against an objective in the newest pane; empty: none did, or the
        indicator has no devices."""
        self._catch_up()
        spoilt = self._tracks[name].spoilt(1)
        return () if spoilt is None else self._known_of(np.flatnonzero(spoilt).astype(np.int32))

    # --- readings and devices -----------------------------------------------------------------------------------------

    @property
    def accepted(self) -> int:
        """Unique valid readings."""
        return self._ingest.accepted

    @property
    def arrived(self) -> int:
        """Readings that were accepted, or wait to be processed."""
        return self.accepted + (0 if self.intake is None else self.intake.waiting)

    @property
    def arrived_per_device(self) -> Int:
        """int64 (n,), readings that were accepted, wait to be processed, or were shed for want of room."""
        each = self._ingest.accepted_per_device
        return each if self.intake is None else each + self.intake.inside

    @property
    def repeated(self) -> int:
        """Readings that had come before."""
        return self._ingest.repeated

    @property
    def misdated(self) -> int:
        """Accepted readings since the warm-up whose time stamp cannot be right: from the future, or from before anybody
        was commissioned."""
        return self._ingest.misdated - self._misdated_before

    @property
    def dead_letters(self) -> Mapping[str, int]:
        """Reason to number of refused readings; a message that nobody could read counts as one."""
        return self._ingest.dead.counts

    @property
    def newest_dead_letters(self) -> Sequence[DeadLetter]:
        """The last refused ones, the oldest first."""
        return tuple(self._ingest.dead.newest)

    @property
    def letters_noted(self) -> int:
        """Dead letters that could be looked at, at some time."""
        return self._ingest.dead.noted

    def letters_after(self, noted: int) -> Sequence[DeadLetter]:
        """Those that came since `letters_noted` was this, as far as they are kept."""
        return self._ingest.dead.after(noted)

    @property
    def accepted_per_device(self) -> Int:
        return self._ingest.accepted_per_device

    @property
    def last_arrival_us(self) -> Int:
        """int64 (n,), when the newest accepted reading arrived; far below 0 before the first."""
        return self._ingest.last_arrival_us

    @property
    def last_seq(self) -> Int:
        """int64 (n,), newest sequence number of the newest boot."""
        return self._ingest.seen.current.newest

    @property
    def boot(self) -> Device:
        """int32 (n,), newest boot number that a birth or a reading showed; 0 before the first."""
        return self._sessions.boot

    @property
    def session_live(self) -> Mask:
        return self._sessions.live

    @property
    def connects(self) -> Device:
        """int32 (n,), births."""
        return self._sessions.connects

    @property
    def since_us(self) -> Int:
        """int64 (n,), since when each device has been in its observed state, to the second."""
        return self._observed.since_us

    def newest_values(self, device: int) -> list[float | None]:
        """Channels of a device's newest accepted reading; None where silent or before the first."""
        kind = self.registry.kinds[self.registry.kind[device]]
        values = self._ingest.newest[: len(self.registry.channels[kind]), device].tolist()
        return [None if math.isnan(value) else value for value in values]

    def newest_of(self, channel: str) -> Values:
        """One channel of every device's newest accepted reading: float32 (n,), NaN where there is none."""
        values = np.full(len(self.registry), np.nan, np.float32)
        for kind, channels in self.registry.channels.items():
            for column, each in enumerate(channels):
                if each.name == channel:
                    mine = self.registry.kind == self.registry.kinds.index(kind)
                    values[mine] = self._ingest.newest[column, mine]
        return values

    def observed(self, now_us: int) -> Codes:
        """State of each device by what is known: uint8 (n,), `twin.flow.Observed`."""
        return self._observed.at(now_us, self._ingest.last_arrival_us, self._sessions)

    # --- conclusions --------------------------------------------------------------------------------------------------

    @property
    def alarms(self) -> list[Alarm]:
        """In order of raising."""
        return self._alarms.all

    @property
    def incidents(self) -> list[Incident]:
        """In order of opening."""
        return self._alarms.incidents.all

    def acknowledge(self, incident: int, now_us: int) -> Incident:
        """Somebody has taken an incident. Raises ValueError if it is not open."""
        return self._alarms.incidents.acknowledge(incident, now_us)

    def mark_wrong(self, alarm: int, now_us: int) -> Alarm:
        """Somebody says that there was nothing, and its source learns. Raises ValueError if there is no such alarm."""
        self._catch_up()
        self._rest.renew(FOR_NOW)
        return self._alarms.mark_wrong(alarm, now_us, Changes())

    def begin_window(self, name: str, device: Mask) -> None:
        """Work is planned on these devices, bool (n,): no alarm speaks of them until `end_window`."""
        self._catch_up()
        self._rest.renew(FOR_NOW)
        self._alarms.begin_window(name, device)

    def end_window(self, name: str) -> None:
        """It is over; what is still wrong then is told as if it had just begun."""
        self._catch_up()
        self._rest.renew(FOR_NOW)
        self._alarms.end_window(name)

    @property
    def on_values(self) -> Sequence[OnFleet]:
        """Detectors that look at what readings say."""
        return self._panel.on_values

    @property
    def taken_out(self) -> Sequence[TakenOut]:
        """Detectors that broke, in the order in which they did."""
        return self._panel.taken_out

    @property
    def models(self) -> Sequence[Trained]:
        """Stored models that look."""
        return self._panel.models

    @property
    def wears(self) -> Sequence[Wear]:
        """Stored models that tell conditions."""
        return [each for each in self.on_values if isinstance(each, Wear)]

    @property
    def shadows(self) -> Sequence[Alarm]:
        """Alarms that detectors in the shadow would have raised, in order."""
        return self._alarms.shadows

    @property
    def patterns(self) -> Sequence[EventPattern]:
        """Detectors that look for events that follow each other."""
        return self._panel.patterns

    @property
    def findings(self) -> Sequence[Finding]:
        """The newest decisions of detectors, the oldest first."""
        return tuple(self._alarms.findings)

    def sli(self, name: str, mask: Mask | None, window_us: int, **settings: Any) -> float | None:
        """An SLI over the newest panes, in its own unit (a share as 0..1); None without data.

        Args:
            mask: bool (n,), the devices that count; None: all.
            window_us: rounded up to whole seconds; for a part of the fleet at most a minute.
            settings: the SLI's own, as those of one of the objectives, or none for its defaults.

        Raises:
            ValueError: unknown SLI or setting, settings that nothing tracks, or a window that is too long.
        """
        self._catch_up()
        series = self._series_of(make(name, settings))
        if series is None:
            raise ValueError(f"SLI `{name}` is not tracked with {settings}: an objective must ask for it")
        return series.value(series.last(None if mask is None else Members.of(mask), panes_of(window_us)))

    def objective(self, name: str) -> Standing:
        """An objective over the panes after the warm-up. Raises KeyError if there is none of this name."""
        self._catch_up()
        return self._tracks[name].standing()

    def objective_window(self, name: str, window_us: int) -> float | None:
        """An objective's SLI on its devices over the newest panes; None without data."""
        self._catch_up()
        return self._tracks[name].window(panes_of(window_us))

    def objective_counts(self, name: str) -> tuple[int, int]:
        """What counted against an objective since the warm-up, and all that counted."""
        self._catch_up()
        return self._tracks[name].counts()

    def burn(self, name: str, window_us: int) -> float | None:
        """How many times as fast as allowed an objective's error budget went in the newest panes; None without data."""
        self._catch_up()
        return self._tracks[name].burn(panes_of(window_us))

    def _series_of(self, sli: Sli) -> Series | None:
        """The panes of an equal SLI; None if nobody tracks it."""
        return next((series for series in self._series if series.sli == sli), None)
