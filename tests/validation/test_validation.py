"""Every published figure, and the page that shows them."""

from __future__ import annotations

import math

import pytest

from tests.validation.case import Case
from tests.validation.cases import CASES
from tests.validation.machine_shop import PRINTED, parts_made
from tests.validation.page import PAGE, page


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_ours_is_as_published(case: Case) -> None:
    value = case.ours()
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
    subject = type("Wrong", (), {"title": "Wrong", "models": "none", "cases": (wrong,)})
    monkeypatch.setattr("tests.validation.page.SUBJECTS", (subject,))
    with pytest.raises(ValueError, match=r"a case: 2 is not 1 within ±0\.1"):
        page()
