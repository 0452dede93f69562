"""Certificates that end soon."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from twinstorm.detectors.contract import Batch
from twinstorm.detectors.lasting import Lasting
from twinstorm.detectors.options import Option
from twinstorm.detectors.policy import Policy
from twinstorm.twin.flow import DAY_US, HOUR_US, NEVER_US, Device, Int, Registry, Values

LEAST_LEFT_US = HOUR_US
"""A score grows no more in the last hour of a certificate, or of `within` if that is less, nor after it."""


class ExpiringCertificates:
    """A certificate ends soon when less than `within` is left of it, by the registry: the score is `within` over that.

    Nothing is learnt, and nothing that a device does matters. Devices of whose certificate the registry says nothing
    score 0: so they are none of those that have something in common.

    Limits: it believes the registry. What stands in the certificate itself nobody reads.
    """

    name: ClassVar[str] = "expiring-certificates"
    summary: ClassVar[str] = "devices whose certificate ends soon, by the registry"
    headline: ClassVar[str] = "have certificates that end soon"
    options: ClassVar[tuple[Option, ...]] = (
        Option("within", "duration", "30 d", "how long before its end a certificate is told of", least="1 s"),
    )

    def __init__(self, registry: Registry, settings: Mapping[str, Any]) -> None:
        self._within_us: int = settings["within"]
        expires_us = registry.certificate_expires_us
        self._expires_us: Int = np.full(len(registry), NEVER_US, np.int64) if expires_us is None else expires_us.copy()
        # A score is rounded to float32, upwards too: a millionth earlier it is certainly under the limit.
        self._margin_us = self._within_us + self._within_us // 1_000_000 + 1
        self._sure_until_us = 0
        self._look_ahead()
        self.policy = Policy(
            share=0.5,
            fleet_share=0.5,
            devices=1,
            hold_us=0,
            clear_us=0,
            quiet_us=0,
            lone_threshold=1.0,
            apart=True,
            names_first="certificate_batch",
        )

    @classmethod
    def concerns(cls, registry: Registry) -> bool:
        """Somebody has said when certificates end."""
        return registry.certificate_expires_us is not None

    def renew(self, device: Device) -> None:
        """These, int32, have new certificates, which end after the run."""
        self._expires_us[device] = NEVER_US
        self._look_ahead()

    def _look_ahead(self) -> None:
        self._sure_until_us = int(self._expires_us.min(initial=NEVER_US)) - self._margin_us

    def learn(self, batch: Batch) -> None:
        """Nothing: see the class."""

    def pass_by(self, panes: int) -> None:
        """Nothing."""

    def quiet(self, batch: Batch) -> Lasting | None:
        """Until the first certificate reaches its limit, whatever comes."""
        return Lasting(self._sure_until_us) if batch.now_us < self._sure_until_us else None

    def settled(self, batch: Batch) -> Lasting | None:
        """Until the next certificate reaches its limit, whatever comes."""
        due_us = self._expires_us - self._margin_us
        is_near = due_us <= batch.now_us
        if (self.score(batch)[is_near] < 1).any():
            return None
        return Lasting(int(due_us[~is_near].min(initial=NEVER_US)))

    def score(self, batch: Batch) -> Values:
        """`within` over what is left."""
        left_us = np.maximum(self._expires_us - batch.now_us, min(LEAST_LEFT_US, self._within_us))
        score: Values = (self._within_us / left_us).astype(np.float32)
        score[self._expires_us == NEVER_US] = 0.0
        return score

    def says(self, device: Device) -> str:
        """When the first of these ends."""
        first_us = int(self._expires_us[device].min(initial=NEVER_US))
        return f"the first ends {first_us / DAY_US:,.1f} d after the start"
