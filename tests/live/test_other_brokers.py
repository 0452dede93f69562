"""The cases of `defects` on Mosquitto and on aedes: what differs is written down, and the page says just that.

aedes comes with npm: TWINSTORM_AEDES names the folder in which `npm install aedes@1.2.0` was run.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.live.brokers import Aedes, Mosquitto, UnderTest
from tests.live.defects import CASES, Case, DefectError, Stand
from tests.live.differences import AEDES, MOSQUITTO, PAGE, UNKNOWABLE, page_with, tables

AEDES_FOLDER = os.environ.get("TWINSTORM_AEDES", "")
NAMES = [name for name, one in CASES.items() if not one.is_slow and name not in UNKNOWABLE]
PATIENT_S, IMPATIENT_S = 5.0, 0.8
AT_ONCE = 8

Played = dict[str, Callable[[], bool]]


def _is_right(one: Case, broker: UnderTest, patience_s: float) -> bool:
    stand = Stand(broker, patience_s)
    try:
        one.play(stand)
    except DefectError:
        return False
    finally:
        stand.close()
        broker.close()
    return True


def _play_all(make: Callable[[str], UnderTest], known: Mapping[str, str]) -> Iterator[Played]:
    def play(name: str) -> bool:
        patience_s = IMPATIENT_S if name in known else PATIENT_S
        return _is_right(CASES[name], make(name), patience_s)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield {name: pool.submit(play, name).result for name in NAMES}


@pytest.fixture(scope="module")
def mosquitto_played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    folder = tmp_path_factory.mktemp("mosquitto")
    Mosquitto(folder / "first").close()  # skips or fails here, if there is none
    yield from _play_all(lambda name: Mosquitto(folder / name), MOSQUITTO)


@pytest.fixture(scope="module")
def aedes_played() -> Iterator[Played]:
    yield from _play_all(lambda _: Aedes(AEDES_FOLDER), AEDES)


@pytest.mark.parametrize("name", NAMES)
def test_mosquitto_differs_where_the_page_says_so_and_nowhere_else(mosquitto_played: Played, name: str) -> None:
    assert mosquitto_played[name]() == (name not in MOSQUITTO)


@pytest.mark.nightly
@pytest.mark.skipif(not AEDES_FOLDER, reason="TWINSTORM_AEDES names no folder in which aedes is installed")
@pytest.mark.parametrize("name", NAMES)
def test_aedes_differs_where_the_page_says_so_and_nowhere_else(aedes_played: Played, name: str) -> None:
    assert aedes_played[name]() == (name not in AEDES)


def test_the_page_has_every_case_and_every_difference() -> None:
    assert PAGE.read_text(encoding="utf-8") == page_with(tables()), "python -m tests.live.differences"
    assert (MOSQUITTO.keys() | AEDES.keys()) <= set(NAMES)
