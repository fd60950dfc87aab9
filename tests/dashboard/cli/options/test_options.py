"""Options that several commands share: a command has those that it has words for."""

from __future__ import annotations

import argparse

import pytest

from dashboard.cli import options


def parser(**words: str) -> argparse.ArgumentParser:
    command = argparse.ArgumentParser(prog="laf x")
    options.add_common(command, **words)
    return command


def test_a_command_has_the_common_options_that_it_describes():
    command = parser(seed="decides all", json="the record", quiet="table")
    found = vars(command.parse_args(["--seed", "7", "--json", "-", "--quiet"]))
    assert found == {"seed": 7, "json": "-", "quiet": True}
    assert vars(command.parse_args([])) == {"seed": 0, "json": None, "quiet": False}
    text = " ".join(command.format_help().split())
    for said in ("decides all (default: 0)", "write the record as JSON; - for standard output", "no table"):
        assert said in text


@pytest.mark.parametrize(("name", "word"), [("seed", "--seed=1"), ("json", "--json=-"), ("quiet", "--quiet")])
def test_what_a_command_does_not_describe_it_does_not_take(name, word, capsys):
    others = {k: "this" for k in ("seed", "json", "quiet") if k != name}
    with pytest.raises(SystemExit):
        parser(**others).parse_args([word])
    assert "unrecognized arguments" in capsys.readouterr().err


@pytest.mark.parametrize("value", ["-1", "1.5", "x", str(2**32)])
def test_a_seed_is_a_whole_number_within_its_bounds(value, capsys):
    with pytest.raises(SystemExit):
        parser(seed="decides all").parse_args([f"--seed={value}"])
    assert "--seed" in capsys.readouterr().err
