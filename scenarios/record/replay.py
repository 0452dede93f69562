"""What would become of the dead letters of a record now: read and taken by a core that knows more, or listed them all.

The core of the run may have refused them because its registry lacked their device for a while, or because it did not
know the version of their documents. A fresh core has the whole registry, and is told of versions.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from twinstorm.detectors.deadletters import LetterBody
from twinstorm.detectors.ingest import Ingest
from twinstorm.scenarios.engine.plan import broker_settings, fleet_plan, origin_us, start_of
from twinstorm.scenarios.engine.wiring import ModelledWiring
from twinstorm.scenarios.language.reader import read
from twinstorm.scenarios.record.folder import SCENARIO
from twinstorm.scenarios.record.read import RecordedRun
from twinstorm.scenarios.result import LetterRow
from twinstorm.twin.flow import Delivery, Message, Readings
from twinstorm.twin.wire.codecs import State
from twinstorm.twin.wire.inbox import Inbox
from twinstorm.twin.wire.schemas import Schemas
from twinstorm.twin.wire.wires import Ear

ACCEPTED, REPEATED, UNDERSTOOD = "accepted", "repeated", "understood"
NOT_WHOLE = "only the beginning is recorded"
COLUMNS = "messages of columns are not played again"


@dataclass(frozen=True)
class Replay:
    """What became of each letter.

    Attributes:
        outcomes: ``accepted``, ``repeated`` (another letter was the same reading), ``understood`` (a birth or a will),
            or why it is refused; one a letter.
    """

    letters: Sequence[LetterRow]
    outcomes: Sequence[str]

    @property
    def counts(self) -> dict[str, int]:
        """Outcome, without what is particular to one letter, to letters; the most frequent first."""
        return dict(Counter(outcome.partition(":")[0] for outcome in self.outcomes).most_common())


def replayed(run: RecordedRun, letters: Sequence[LetterRow], versions: Sequence[int] = ()) -> Replay:
    """Let a fresh core take letters of a run, in their order.

    Args:
        versions: numbers of schemas that it takes for the newest one that it knows, ascending.

    Raises:
        ScenarioErrors: the recorded scenario cannot be read by this version.
        ValueError: a version that is not newer than all others.
    """
    scenario = read(run.scenario_text, str(run.folder / SCENARIO))
    plan, origin = fleet_plan(scenario), origin_us(start_of(scenario))
    wiring = ModelledWiring(plan, broker_settings(scenario), run.about.seed, origin_us=origin)
    registry = wiring.registry
    wiring.close()
    schemas = Schemas(registry.channels)
    for version in versions:
        schemas.accept(version)
    again = _Again(Inbox(registry, origin, Ear(part.wire for part in plan.segments), schemas), Ingest(registry))
    return Replay(letters, [again.outcome(letter) for letter in letters])


class _Again:
    def __init__(self, inbox: Inbox, ingest: Ingest) -> None:
        self._inbox, self._ingest = inbox, ingest

    def outcome(self, letter: LetterRow) -> str:
        if not letter.whole:
            return NOT_WHOLE
        return self._reading(letter) if letter.is_reading else self._message(letter)

    def _reading(self, letter: LetterRow) -> str:
        body = msgspec.msgpack.decode(letter.body, type=LetterBody)
        readings = Readings(
            kind=body.kind,
            device=np.array([body.device], np.int32),
            boot=np.array([body.boot], np.int32),
            seq=np.array([body.seq], np.int64),
            device_time_us=np.array([body.device_time_us], np.int64),
            sent_us=np.array([round(letter.at_s * 1e6)], np.int64),
            values=np.array([body.values], np.float32),
        )
        return self._taken(readings, letter)

    def _message(self, letter: LetterRow) -> str:
        found = self._inbox.letter(letter.source)
        if isinstance(found, str):
            return found
        if found.address.channel == "columns":
            return COLUMNS
        if found.address.channel == "state":
            state = self._inbox.state(found, letter.body)
            return UNDERSTOOD if isinstance(state, State) else state
        read_ = self._inbox.read(Message(letter.source, letter.body))
        if isinstance(read_, str):
            return read_
        kind = read_[1].kind
        return self._taken(self._inbox.readings(kind, [read_], np.array([round(letter.at_s * 1e6)])), letter)

    def _taken(self, readings: Readings, letter: LetterRow) -> str:
        ingest, at_us = self._ingest, round(letter.at_s * 1e6)
        accepted, repeated = ingest.accepted, ingest.repeated
        ingest.take(Delivery(readings, np.array([at_us], np.int64), at_us))
        if ingest.accepted > accepted:
            return ACCEPTED
        if ingest.repeated > repeated:
            return REPEATED
        newest = ingest.dead.newest[-1]
        return f"{newest.reason}: {newest.detail}"
