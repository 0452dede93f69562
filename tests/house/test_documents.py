"""What the documents promise is there: links, make targets, commands. And no text tells where it was written."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

LINK = re.compile(r"(?<!!)\[[^\]]+\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"`([^`\n]+)`")


@pytest.fixture(scope="module")
def documents(project_files: list[Path]) -> dict[Path, str]:
    return {path: path.read_text() for path in project_files if path.suffix == ".md"}


@pytest.fixture(scope="module")
def texts(project_files: list[Path]) -> dict[Path, str]:
    """Every file that is text: whatever decodes."""
    found = {}
    for path in project_files:
        try:
            found[path] = path.read_text()
        except UnicodeDecodeError:
            continue
    return found


def anchors(document: str) -> set[str]:
    """Names under which the headings of a document can be linked, as code hosts form them."""
    outside = FENCE.sub("", document)
    headings = re.findall(r"^#+ (.+)$", outside, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_link_leads_somewhere(documents: dict[Path, str]) -> None:
    broken = []
    for path, text in documents.items():
        for target in LINK.findall(FENCE.sub("", text)):
            if re.match(r"\w+:", target):
                continue  # A place outside is judged by `test_addresses_are_known_ones`.
            name, _, anchor = target.partition("#")
            there = (path.parent / name).resolve() if name else path
            if not there.exists() or (anchor and anchor not in anchors(there.read_text())):
                broken.append(f"{path.name}: {target}")
    assert broken == []


def test_every_document_can_be_reached_from_the_index(root: Path, documents: dict[Path, str]) -> None:
    reached: set[Path] = set()
    unread = [root / "docs" / "index.md"]
    while unread:
        path = unread.pop()
        if path in reached or path not in documents:
            continue
        reached.add(path)
        links = (target.partition("#")[0] for target in LINK.findall(documents[path]))
        unread += [(path.parent / link).resolve() for link in links if link]
    assert sorted(path.relative_to(root).as_posix() for path in documents.keys() - reached) == []


def test_make_targets_that_documents_name_exist(root: Path, documents: dict[Path, str]) -> None:
    phony = re.findall(r"^\.PHONY: (.+)$", (root / "Makefile").read_text(), re.MULTILINE)
    targets = {target for line in phony for target in line.split()}
    assert {"run", "test", "lint", "bench", "nightly", "clean"} <= targets
    for path, text in documents.items():
        for code in commands_of(text):
            for named in re.findall(r"^make ([a-z-]+)", code, re.MULTILINE):
                assert named in targets, f"{path.name}: make {named}"


def test_commands_that_the_readme_names_exist(root: Path, documents: dict[Path, str]) -> None:
    named = {
        command
        for code in commands_of(documents[root / "README.md"])
        for command in re.findall(r"^(?:\.venv/bin/)?twinstorm ([a-z-]+)", code, re.MULTILINE)
    }
    assert {"run", "tui", "check", "list"} <= named
    told = subprocess.run(
        [Path(sys.executable).with_name("twinstorm"), "--help"], capture_output=True, text=True, check=True, timeout=30
    )
    offered = set(re.findall(r"^\W*([a-z-]+) ", told.stdout, re.MULTILINE))
    assert named - offered == set()


def commands_of(document: str) -> list[str]:
    """Shell blocks and code spans of a document."""
    shell = [block for language, block in FENCE.findall(document) if language in ("sh", "console")]
    return shell + SPAN.findall(FENCE.sub("", document))


KNOWN_HOSTS = {
    "www.apache.org": "the license names itself so",
    "www.w3.org": "names of XML formats, never fetched",
    "json-schema.org": "name of the schema dialect, never fetched",
    "127.0.0.1": "this machine",
    "localhost": "this machine",
    "github.com": "where amqtt and Eclipse's tests live, which are named as what they are",
    "example.com": "reserved for examples",
    "example.org": "reserved for examples",
}


def test_addresses_are_known_ones(texts: dict[Path, str]) -> None:
    address = re.compile(r"\bhttps?://([\w.-]+)")
    written = {path: text for path, text in texts.items() if "__snapshots__" not in path.parts}  # drawn by libraries
    strange = {(path.name, host) for path, text in written.items() for host in address.findall(text)}
    assert sorted((name, host) for name, host in strange if host not in KNOWN_HOSTS) == []


PLACES = ["/" + "work/", "/" + "root/", "/" + "home/", "/" + "Users/", "../" + "shared", "py" + "pi.org"]
PLACES += ["python" + "hosted", "npm" + "js.", "index" + "-url=", "extra" + "-index"]


@pytest.mark.parametrize("place", PLACES)
def test_no_file_names_a_place_on_somebodys_machine_or_a_registry(place: str, texts: dict[Path, str]) -> None:
    assert sorted(str(path) for path, text in texts.items() if place in text) == []


@pytest.mark.parametrize("word", ["TO" + "DO", "FIX" + "ME", "X" + "XX"])
def test_nothing_is_left_for_later_in_the_text(word: str, texts: dict[Path, str]) -> None:
    marker = re.compile(rf"\b{word}\b")
    assert sorted(str(path) for path, text in texts.items() if marker.search(text)) == []


def test_texts_end_with_one_newline_and_have_unix_line_ends(texts: dict[Path, str]) -> None:
    wrong = [path for path, text in texts.items() if text and (not text.endswith("\n") or text.endswith("\n\n"))]
    assert sorted(path.name for path in wrong if path.suffix in (".md", ".py", ".toml", ".yaml", ".yml")) == []
    assert sorted(path.name for path in texts if b"\r\n" in path.read_bytes()) == []
