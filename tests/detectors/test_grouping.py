"""What affected devices share, and how it is named."""

from __future__ import annotations

import numpy as np
import pytest

from tests.detectors.lab import registry_of
from twinstorm.detectors.grouping import Grouping, group_text
from twinstorm.detectors.policy import Policy
from twinstorm.twin.flow import Mask

FLEET = registry_of(motors=40, climate=10)
"""Five sites of 50: arn-1, fra-1, fra-2, fra-3, sin-1; a fifth of each are climate sensors."""
N = len(FLEET)
POLICY = Policy(share=0.3, fleet_share=0.05)
EVERYBODY = np.ones(N, np.bool_)


def at(*sites: str) -> Mask:
    mask: Mask = np.isin(FLEET.site, [FLEET.sites.index(site) for site in sites])
    return mask


def named(affected: Mask, known: Mask = EVERYBODY, policy: Policy = POLICY) -> tuple[str, str] | None:
    cause = Grouping(FLEET).cause(affected, known, policy)
    return None if cause is None else (cause.group, cause.text)


def test_one_site() -> None:
    assert named(at("fra-2")) == ("site=fra-2", "site=fra-2 (lift 5.0)")


def test_a_site_that_only_begins_to_be_affected_is_named_before_the_fleet() -> None:
    begun = at("fra-2")
    begun[np.flatnonzero(begun)[14:]] = False
    assert 0.05 < begun.mean() < POLICY.share * at("fra-2").mean()
    assert named(begun) == ("site=fra-2", "site=fra-2 (lift 5.0)")
    everywhere = np.arange(N) % 17 == 0
    assert named(everywhere) == ("all", "")


def test_several_sites_are_listed() -> None:
    assert named(at("fra-1", "fra-2", "fra-3")) == (
        "site=fra-1,fra-2,fra-3",
        "site=fra-1,fra-2,fra-3 (lift 1.7)",
    )


def test_the_whole_fleet_needs_no_cause() -> None:
    assert named(EVERYBODY) == ("all", "")


def test_a_kind_of_device_everywhere() -> None:
    assert named(FLEET.kind == 0) == ("segment=motors", "segment=motors (lift 1.2)")


def test_devices_that_cannot_be_judged_yet_do_not_blame_the_others() -> None:
    """All motors of all sites are silent, the slow sensors not due yet: that is everybody, not the motors."""
    assert named(FLEET.kind == 0, FLEET.kind == 0) == ("all", "")
    motors = at("fra-1") & (FLEET.kind == 0)
    assert named(motors, ~at("fra-1") | motors) == ("site=fra-1", "site=fra-1 (lift 6.0)"), "210 known of 40"


def test_a_cause_is_found_beside_a_few_others() -> None:
    affected = at("sin-1")
    affected[[0, 41]] = True
    cause = Grouping(FLEET).cause(affected, EVERYBODY, POLICY)
    assert cause is not None
    assert (cause.group, cause.affected, cause.known) == ("site=sin-1", 50, 50)
    assert np.array_equal(cause.members, at("sin-1"))


def test_a_part_of_everything_is_the_whole_fleet() -> None:
    assert named(np.arange(N) % 10 == 0) == ("all", "")


def test_too_few_or_too_thin_is_no_group() -> None:
    few = np.zeros(N, np.bool_)
    few[:4] = True
    assert named(few) is None
    few[[60, 110, 160, 210]] = True
    assert named(few) is None, "eight of 250 at five sites"


def test_many_sites_of_a_region_are_the_region() -> None:
    registry = registry_of(sites=[f"arn-{i}" for i in range(1, 8)] + ["fra-1", "sin-1"], motors=10, climate=0)
    affected = registry.region == registry.regions.index("arn")
    cause = Grouping(registry).cause(affected, np.ones(len(registry), np.bool_), POLICY)
    assert cause is not None
    assert cause.group == "region=arn"


def test_half_of_a_tiny_fleet_is_a_group() -> None:
    registry = registry_of(sites=("a-1",), motors=4, climate=0)
    affected, known = np.array([True, True, False, False]), np.ones(4, np.bool_)
    assert Grouping(registry).cause(affected, known, POLICY) is not None
    affected[1] = False
    assert Grouping(registry).cause(affected, known, POLICY) is None


@pytest.mark.parametrize(
    ("names", "text"),
    [(["a"], "site=a"), (["a", "b", "c", "d"], "site=a,b,c,d"), (list("abcdefg"), "site=a,b,c,d and 3 more")],
)
def test_group_text(names: list[str], text: str) -> None:
    assert group_text("site", names) == text
