"""Charts are well-formed, stay on their canvas and say in words what they show."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from twinstorm.scenarios.reports.svg import HEIGHT, WIDTH, Bound, Chart, Mark, Series, Shade, draw

SVG = "{http://www.w3.org/2000/svg}"

values = st.lists(st.none() | st.floats(-1e9, 1e9), min_size=1, max_size=30)


def chart(series: list[Series], points: int, **more: object) -> Chart:
    return Chart("Connects", "per second", list(range(1, points + 1)), series, float(points), **more)  # type: ignore[arg-type]


def places(drawn: str) -> list[tuple[float, float]]:
    root = ElementTree.fromstring(drawn)
    points = [each.attrib["points"] for kind in ("polyline", "polygon") for each in root.iter(f"{SVG}{kind}")]
    return [(float(x), float(y)) for text in points for x, y in (pair.split(",") for pair in text.split())]


@given(values, st.booleans(), st.floats(-1e3, 1e3))
def test_any_data_gives_well_formed_marks_on_the_canvas(found: list[float | None], area: bool, bound: float) -> None:
    drawn = draw(chart([Series("x", found, "c1", area)], len(found), bounds=[Bound(bound, "want")]))
    assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in places(drawn))


@given(st.text(max_size=20))
def test_any_text_is_only_text(text: str) -> None:
    drawn = draw(
        Chart(
            text, text, [1.0], [Series(text, [1.0], "c1")], 1.0, [Shade(0, 1, text)], [Mark(1, text)], [Bound(1, text)]
        )
    )
    root = ElementTree.fromstring(drawn)
    assert {each.tag.removeprefix(SVG) for each in root.iter()} <= {
        "svg", "g", "title", "line", "text", "rect", "polyline", "polygon",
    }  # fmt: skip


def test_the_highest_value_is_drawn_highest_and_a_gap_parts_the_line() -> None:
    drawn = draw(chart([Series("x", [0.0, 10.0, None, 5.0, 5.0], "c1")], 5))
    root = ElementTree.fromstring(drawn)
    first, second = (each.attrib["points"] for each in root.iter(f"{SVG}polyline"))
    assert len(first.split()) == len(second.split()) == 2
    low, high = (float(pair.split(",")[1]) for pair in first.split())
    assert high < low


def test_a_lone_value_between_gaps_is_still_a_stroke() -> None:
    drawn = draw(chart([Series("x", [None, 3.0, None], "c1")], 3))
    (line,) = ElementTree.fromstring(drawn).iter(f"{SVG}polyline")
    assert len(line.attrib["points"].split()) == 2


def test_faults_are_shaded_from_start_to_end_and_alarms_marked() -> None:
    drawn = draw(
        chart(
            [Series("x", [0.0] * 100, "c1")],
            100,
            shades=[Shade(25, 50, "outage: power-outage")],
            marks=[Mark(75, "silence", "!")],
        )
    )
    root = ElementTree.fromstring(drawn)
    (shade,) = [each for each in root.iter(f"{SVG}rect") if each.get("class") == "shade"]
    left, width = float(shade.attrib["x"]), float(shade.attrib["width"])
    (mark,) = [each for each in root.iter(f"{SVG}g") if each.get("class") == "mark"]
    at = float(mark.find(f"{SVG}line").attrib["x1"])  # type: ignore[union-attr]
    assert round(at - left) == round(2 * width)
    assert shade.findtext(f"{SVG}title") == "outage: power-outage, 00:00:25 to 00:00:50"
    assert mark.findtext(f"{SVG}text") == "!"


def test_whoever_cannot_see_it_hears_the_extent_of_every_line() -> None:
    drawn = draw(chart([Series("attempts", [0.0, 4200.0], "c1"), Series("refused", [None, None], "c3")], 2))
    label = ElementTree.fromstring(drawn).attrib["aria-label"]
    assert label == "Connects, per second: attempts from 0 to 4,200; refused without data"


def test_a_chart_of_a_part_shows_what_lies_in_it_alone() -> None:
    drawn = draw(
        Chart(
            "closer",
            "per second",
            [60.0, 80.0],
            [Series("x", [1.0, 2.0], "c1")],
            end_s=100.0,
            start_s=50.0,
            shades=[Shade(0, 40, "before"), Shade(40, 55, "reaches in")],
            marks=[Mark(10, "before"), Mark(75, "in the middle")],
        )
    )
    root = ElementTree.fromstring(drawn)
    titles = [each.text for each in root.iter(f"{SVG}title")]
    assert titles == ["reaches in, 00:00:40 to 00:00:55", "x", "in the middle, 00:01:15"]
    ticks = [each.text for each in root.iter(f"{SVG}text") if each.text and each.text.startswith("00:")]
    assert ticks[0] == "00:00:50"
    assert ticks[-1] == "00:01:40"


def test_the_same_chart_is_the_same_text_and_colours_are_left_to_the_page() -> None:
    same = [draw(chart([Series("x", [1.0, 2.0], "c1")], 2)) for _ in range(2)]
    assert same[0] == same[1]
    assert not re.search(r"#[0-9a-f]{3,6}\b|style=", same[0])
