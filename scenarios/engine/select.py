"""Selectors against the whole fleet: which devices a text means, as arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from twinstorm.scenarios.language.selectors import Selector, Term
from twinstorm.twin.chance import Purpose, stream, words
from twinstorm.twin.flow import ORIGINS, Device, Mask, Registry

Moment = Callable[[str], tuple[NDArray[np.integer], Sequence[str]]]
"""Codes and their names for a key of the moment (`state`, `battery`)."""


class FleetSelector:
    """Finds devices by selector.

    Args:
        registry: who there is.
        keys: uint64 device keys, for `share=` and `first=`.
        seed: of the run: which devices a share takes.
    """

    def __init__(self, registry: Registry, keys: NDArray[np.uint64], seed: int) -> None:
        self._registry = registry
        # A smaller share lies inside a larger one: devices are taken in one keyed order.
        self._lot = words(stream(seed, Purpose.SELECT), keys, 0)
        probes = registry.origin == ORIGINS.index("synthetic")
        self._probes: Mask | None = probes if probes.any() else None
        self._columns: Mapping[str, tuple[NDArray[np.integer], Sequence[str]]] = {
            "region": (registry.region, registry.regions),
            "site": (registry.site, registry.sites),
            "zone": (registry.site, registry.sites),
            "segment": (registry.segment, registry.segments),
            "kind": (registry.kind, registry.kinds),
            "firmware": (registry.firmware, registry.firmwares),
            "link": (registry.link, registry.links),
            "gateway": (
                np.zeros(len(registry), np.int32) if registry.gateway is None else registry.gateway,
                registry.gateways,
            ),
            "tenant": (_or_none(registry.tenant, registry), registry.tenants),
            "certificate_batch": (_or_none(registry.certificate_batch, registry), registry.certificate_batches),
            "line": (_or_none(registry.line, registry), registry.lines),
            "wave": (_or_none(registry.wave, registry), registry.waves),
            "origin": (registry.origin, ORIGINS),
        }

    def mask(self, selector: Selector, moment: Moment | None = None) -> Mask:
        """bool, one a device."""
        mask = np.ones(len(self._registry), np.bool_)
        for term in selector.terms:
            mask &= self._term(term, moment)
        taken = None
        if selector.share is not None:
            taken = round(selector.share * int(np.count_nonzero(mask)))
        elif selector.first is not None:
            taken = selector.first
        if taken is not None:
            chosen = np.flatnonzero(mask)
            chosen = chosen[np.argsort(self._lot[chosen], kind="stable")][:taken]
            mask = np.zeros(len(mask), np.bool_)
            mask[chosen] = True
        return mask

    def judged(self, selector: Selector | None) -> Mask | None:
        """Devices that an objective counts: all that the selector names but probes, unless it asks for an origin or
        names nobody else. None: all of the fleet."""
        mask = None if selector is None else self.mask(selector)
        if self._probes is None or (selector is not None and any(term.key == "origin" for term in selector.terms)):
            return mask
        real = ~self._probes if mask is None else mask & ~self._probes
        return real if real.any() else mask

    def devices(self, selector: Selector, moment: Moment | None = None) -> Device:
        """int32, ascending."""
        return np.flatnonzero(self.mask(selector, moment)).astype(np.int32)

    def in_lot_order(self, device: Device) -> Device:
        """The order in which a ramp takes devices."""
        return device[np.argsort(self._lot[device], kind="stable")]

    def _term(self, term: Term, moment: Moment | None) -> Mask:
        one = Selector(text="", terms=(term,), share=None, first=None)
        if term.key == "id":
            names = self._registry.names
            return np.fromiter((one.matches({"id": name}) for name in names), np.bool_, count=len(names))
        if term.key in self._columns:
            codes, names = self._columns[term.key]
        elif moment is not None:
            codes, names = moment(term.key)
        else:
            raise ValueError(f"`{term.key}` is not known here")
        wanted = np.array([one.matches({term.key: name}) for name in names], np.bool_)
        return wanted[codes] if len(names) else np.zeros(len(self._registry), np.bool_)


def _or_none(codes: NDArray[np.uint8] | None, registry: Registry) -> NDArray[np.uint8]:
    """Codes of a label; where there is none of it, the first name stands for all."""
    return np.zeros(len(registry), np.uint8) if codes is None else codes
