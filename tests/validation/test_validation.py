"""Every published figure, and the page that shows them."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from tests.validation import queues
from tests.validation.case import Case, Subject, figure
from tests.validation.cases import CASES, SUBJECTS
from tests.validation.machine_shop import PRINTED, parts_made
from tests.validation.moments import scatter_of_mean
from tests.validation.page import PAGE, page
from twinstorm.twin.flow import SECOND_US, Int


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_ours_is_as_published(case: Case) -> None:
    value = figure(case)
    assert case.holds(value), f"ours {value!r}, published {case.told_published} {case.told_tolerance}: {case.source}"


def test_each_case_has_a_name_of_its_own_and_fits_a_table() -> None:
    names = [case.name for case in CASES]
    assert len(set(names)) == len(names)
    assert not any("|" in text or "\n" in text for case in CASES for text in (case.name, case.source))


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), (
        "docs/validation.md is not what the tests give; run: make validation"
    )


def test_the_kernel_makes_the_parts_that_its_documents_print_and_others_with_another_seed() -> None:
    assert parts_made(42) == PRINTED
    assert parts_made(43) != PRINTED


@pytest.mark.parametrize(
    ("published", "tolerance", "relative", "value", "holds", "told"),
    [
        (2.0, 0.1, False, 2.1, True, "2.1"),
        (2.0, 0.1, False, 2.11, False, "2.11"),
        (200.0, 0.05, True, 190.0, True, "190"),
        (200.0, 0.05, True, 189.0, False, "189"),
        (3.0, 0.0, False, 3.0, True, "3"),
        (3.0, 0.0, False, 3.0001, False, "3"),
        (0.0, 0.5, False, -0.001, True, "0"),
        (1.0, 0.5, False, math.nan, False, "nan"),
    ],
)
def test_a_tolerance_is_a_bound_on_either_side(
    published: float, tolerance: float, relative: bool, value: float, holds: bool, told: str
) -> None:
    case = Case("a case", "nobody", published, tolerance, lambda: value, relative)
    assert case.holds(value) is holds
    assert case.told(value) == told


def test_a_page_with_a_figure_outside_its_tolerance_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = Case("a case", "somebody", 1.0, 0.1, lambda: 2.0)
    subject = Subject("Wrong", "none", (wrong,))
    monkeypatch.setattr("tests.validation.page.SUBJECTS", (subject,))
    with pytest.raises(ValueError, match=r"a case: 2 is not 1 within ±0\.1"):
        page()


@pytest.mark.parametrize(
    ("name", "waits"),
    [
        ("M/M/1 simulated: wait, s", lambda: queues.waits_us(queues.MM1, queues.MANY)),
        ("M/D/1 simulated: wait, s", lambda: queues.constant_waits_us(queues.MD1, queues.MANY)),
        ("mean wait, simulated, s", lambda: queues.waits_us(queues.CALLS, queues.MANY // 2)),
        ("M/E2/1 simulated: wait, s", lambda: queues.stage_waits_us(queues.TWO_STAGES, queues.MANY)),
        (
            "M/G/1 simulated, services of two tempers: wait, s",
            lambda: queues.stage_waits_us(queues.RAGGED, queues.MANY),
        ),
    ],
)
def test_a_tolerance_is_three_times_the_scatter_of_the_simulation_and_not_ten(
    name: str, waits: Callable[[], Int]
) -> None:
    case = next(case for case in CASES if case.name == name)
    scatter_s = scatter_of_mean((waits() / SECOND_US).tolist())
    assert 2.5 * scatter_s < case.allowed < 12.0 * scatter_s


def test_what_is_assumed_stands_apart() -> None:
    assert SUBJECTS[-1].told == "assumed"
    assert all(subject.told == "published" for subject in SUBJECTS[:-1])
    assert not any("assum" in case.source for subject in SUBJECTS[:-1] for case in subject.cases if "link" in case.name)
