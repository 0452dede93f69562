"""`twinstorm pki`: what is printed and refused. What the certificates are worth: `tests/broker/test_pki.py`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Ran

Command = Callable[..., Ran]
NAME = "fra-1/motors-0001"


@pytest.fixture
def made(command: Command) -> Command:
    assert command("pki", "init").code == 0
    return command


def test_an_authority_and_certificates_are_made_and_their_paths_printed(command: Command, tmp_path: Path) -> None:
    assert command("pki", "init").out == "pki/ca.pem\n"
    assert command("pki", "issue", "broker", "--server", "--host", "broker.lab").code == 0
    ran = command("pki", "issue", NAME, "fra-1/motors-0002")
    assert ran.code == 0
    paths = ran.out.splitlines()
    assert paths[:2] == [f"pki/issued/{NAME}/_1/cert.pem", f"pki/issued/{NAME}/_1/key.pem"]
    assert all((tmp_path / path).is_file() for path in paths)
    assert len(paths) == 4


def test_a_key_is_never_printed(made: Command, tmp_path: Path) -> None:
    said = [made("pki", "issue", NAME), made("pki", "list"), made("pki", "list", "--json"), made("pki", "show", NAME)]
    text = "".join(ran.out + ran.err for ran in said)
    key = (tmp_path / "pki/issued" / NAME / "_1/key.pem").read_text().splitlines()[1]
    assert key not in text
    assert "PRIVATE KEY" not in text


def test_list_tells_each_state(made: Command) -> None:
    made("pki", "issue", NAME, "fra-1/motors-0002")
    made("pki", "renew", NAME)
    ran = made("pki", "revoke", "--older", NAME)
    assert ran.out == "pki/crl.pem\n"
    assert f"revoked {NAME} 1" in ran.err
    rows = [line.split()[:4] for line in made("pki", "list").out.splitlines()]
    assert rows == [
        ["name", "number", "for", "state"],
        [NAME, "1", "device", "revoked"],
        ["fra-1/motors-0002", "1", "device", "valid"],
        [NAME, "2", "device", "valid"],
    ]
    document = made("pki", "list", "--json").json()
    assert document["schema"] == "twinstorm/pki-list/1"
    assert [one["state"] for one in document["certificates"]] == ["revoked", "valid", "valid"]


def test_show_tells_the_newest_certificate_of_a_name(made: Command) -> None:
    made("pki", "issue", NAME, "--lasts", "90 s")
    told = dict(line.split(maxsplit=1) for line in made("pki", "show", NAME).out.splitlines())
    assert (told["state"], told["number"], told["key"]) == ("valid", "1", f"pki/issued/{NAME}/_1/key.pem")


def test_a_list_may_be_made_that_ends_soon(made: Command) -> None:
    ran = made("pki", "crl", "--lasts", "1h")
    assert (ran.code, ran.out) == (0, "pki/crl.pem\n")
    assert "list 2, good until" in ran.err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["init"], ("pki holds an authority already", "--dir")),
        (["init", "--dir", "pki/ca.pem/x"], ("pki/ca.pem is not a folder", "--dir")),
        (["init", "--dir", "x", "--lasts", "11y"], ("--lasts", "not a duration")),
        (["init", "--dir", "x", "--lasts", "0 s"], ("no time at all",)),
        (["init", "--dir", "x", "--name", ""], ("cannot name an authority", "1 to 64")),
        (["issue", NAME, "--dir", "nowhere"], ("nowhere holds no certificate authority", "pki init --dir nowhere")),
        (["issue", "../x"], ("`../x` cannot name a certificate", "fra-1/motors-0001")),
        (["issue", NAME, NAME], ("named twice", "once")),
        (["issue", NAME, "--lasts", "1500 ms"], ("no whole number of seconds", "--lasts 30s")),
        (["issue", NAME, "--lasts", "90"], ("needs a unit", "write `90 s`")),
        (["issue", NAME, "--host", "x"], ("--host is for servers", "--server")),
        (["issue", NAME, "--server", "--guest"], ("exclude each other", "cannot log in")),
        (["issue", "b", "--server", "--host", "a b"], ("neither a host name nor an address", "broker.example")),
        (["renew", NAME], ("has no certificate here", "pki issue")),
        (["revoke", NAME], ("has no certificate here", "pki list")),
        (["show", NAME], ("has no certificate here",)),
        (["issue"], ("Missing argument",)),
        (["frobnicate"], ("No such command",)),
    ],
)
def test_what_is_wrong_is_said_with_a_way_out_and_nothing_is_made(
    made: Command, tmp_path: Path, words: list[str], told: tuple[str, ...]
) -> None:
    before = sorted(tmp_path.rglob("*"))
    ran = made("pki", *words)
    assert ran.code == 2
    assert ran.out == ""
    assert all(part in ran.err for part in told), ran.err
    assert [path for path in sorted(tmp_path.rglob("*")) if path.name != ".lock"] == before


def test_every_part_of_the_command_helps_with_examples(command: Command) -> None:
    assert "twinstorm pki init" in command("pki", "--help").out
    for part in ("init", "issue", "renew", "revoke", "crl", "list", "show"):
        assert f"twinstorm pki {part}" in command("pki", part, "--help").out
