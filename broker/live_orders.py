"""Orders of faults to the embedded broker: who is to be refused, slowed, robbed or attacked, see `twin.flow.Broker`."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable
from fractions import Fraction
from typing import TYPE_CHECKING

from twinstorm.broker.doorkeeper import Doorkeeper
from twinstorm.broker.intruder import Intrusion, intrude
from twinstorm.broker.live_misconduct import EXPIRED, REVOKED, Distrust, LiveMisconduct, Refusal, Slowness, Throttle
from twinstorm.broker.own_loop import OwnLoop
from twinstorm.broker.remarks import Remarks, failed_handshake
from twinstorm.twin.flow import SECOND_US, Device, Exhibits
from twinstorm.twin.wire.profile import TWINSTORM, site_and_device

if TYPE_CHECKING:
    from twinstorm.broker.run_certificates import RunCertificates
    from twinstorm.broker.tls import ServerTls


class LiveOrders(Exhibits, ABC):
    """Gives orders to `LiveMisconduct`, from any thread; the embedded broker is one of these.

    Args:
        own: the broker's loop.
        doorkeeper: knows who is who.
        speed: simulated seconds per wall second.
        seed: of the run.
        said_by: whose telemetry a topic is; empty: it is none.
        most_waiting: messages that may wait for a rate of all; None: no limit.
        tell: gets each remark once, see `Remarks`.
        papers: certificates of the run; None: nobody has one.

    Attributes:
        remarks: what was told, or would have been.
    """

    def __init__(
        self,
        own: OwnLoop,
        doorkeeper: Doorkeeper,
        speed: Fraction,
        seed: int,
        said_by: Callable[[str], str],
        most_waiting: int | None,
        tell: Callable[[str], None] | None,
        papers: RunCertificates | None = None,
    ) -> None:
        self.evidence = {}
        self._own, self._doorkeeper, self._speed, self._seed = own, doorkeeper, speed, seed
        self._said_by, self._most_waiting = said_by, most_waiting
        self._papers = papers
        self.remarks = Remarks(tell)
        self._conduct: LiveMisconduct | None = None
        """What it was ordered to do; None: nothing yet, and nobody is asked."""
        self._intrusions: dict[str, list[asyncio.Task[None]]] = {}

    @property
    @abstractmethod
    def port(self) -> int:
        """Where intruders come."""

    @abstractmethod
    def _go_by(self, tls: ServerTls) -> None:
        """Check certificates by this from now on; called in the loop."""

    @abstractmethod
    def _adopt(self, conduct: LiveMisconduct) -> None:
        """Ask it from now on; called in the loop."""

    def refuse(self, step: str, device: Device, code: int) -> None:
        names = self._named(device)
        self._misbehave(lambda odd: odd.refusals.append(Refusal(step, names, code)))

    def distrust(self, step: str, device: Device, reason: str) -> None:
        names = self._named(device) if self._papers is not None else frozenset[str]()
        self._misbehave(lambda odd: odd.distrusted.append(Distrust(step, names, reason)))
        self._change_papers()

    def intrude(self, step: str, what: str, device: Device, at_us: int, per_s: float) -> None:  # noqa: ARG002
        user, password = self._doorkeeper.intruder()
        named = [self._doorkeeper.names[who] for who in device.tolist()] or [user]
        topics = [TWINSTORM.telemetry_topic(*site_and_device(name)) for name in named]
        order = Intrusion(step, what, per_s * float(self._speed), topics, b"\x00 no document")

        def begin(odd: LiveMisconduct) -> None:
            odd.intruders[user] = step
            work = intrude(order, self.port, user, password, self.bit)
            self._intrusions.setdefault(step, []).append(self._own.loop.create_task(work))

        self._misbehave(begin)

    def slow_down(self, step: str, connect_us: int, message_us: int) -> None:
        order = Slowness(step, self._wall_s(connect_us), self._wall_s(message_us))
        self._misbehave(lambda odd: odd.slowness.append(order))

    def throttle(self, step: str, device: Device, per_s: float) -> None:
        order = Throttle(step, self._named(device), 1 / (per_s * float(self._speed)))
        self._misbehave(lambda odd: odd.throttles.append(order))

    def throttle_all(self, step: str, per_s: float) -> None:
        order = Throttle(step, frozenset(("",)), 1 / (per_s * float(self._speed)))
        self._misbehave(lambda odd: odd.throttles.append(order))

    def mishandle(self, step: str, device: Device, kind: str, *, twice: bool, share: float, nth: int) -> None:
        names = self._named(device)
        self._misbehave(lambda odd: odd.mishandle(step, names, self._seed, kind, twice=twice, share=share, nth=nth))

    def behave(self, step: str, device: Device, at_us: int) -> None:  # noqa: ARG002 - now is when it is called
        names = self._named(device)

        def end(odd: LiveMisconduct) -> None:
            odd.end(step, names)
            for task in self._intrusions.pop(step, []):
                task.cancel()

        self._misbehave(end)
        self._change_papers()

    def _change_papers(self) -> None:
        """Let certificates be what orders make of them, for the handshakes to come."""
        if self._papers is None or self._conduct is None:
            return
        if self._papers.follow(self._conduct.named_in(EXPIRED), self._conduct.named_in(REVOKED)):
            tls = self._papers.server

            async def change() -> None:
                self._go_by(tls)

            self._own.call(change())

    def _handshake_failed(self, reason: str) -> None:
        self._doorkeeper.refusals[reason] += 1
        self.remarks.note(failed_handshake(reason))
        if self._conduct is not None:
            self._conduct.disbelieved(reason)

    def _misbehave(self, order: Callable[[LiveMisconduct], None]) -> None:
        async def give() -> None:
            if self._conduct is None:
                self._conduct = LiveMisconduct(self.bit, self._said_by, self._most_waiting)
            self._adopt(self._conduct)
            order(self._conduct)

        self._own.call(give())

    def _named(self, device: Device) -> frozenset[str]:
        return frozenset(self._doorkeeper.names[who] for who in device.tolist())

    def _wall_s(self, simulated_us: int) -> float:
        return simulated_us / SECOND_US / float(self._speed)
