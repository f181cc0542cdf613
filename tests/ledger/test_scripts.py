"""How the scripts are written: a head that says what they take and give, one way to read arguments, nothing unused."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path

import pytest

from ledger.lua import script

SCRIPTS = Path(str(files("ledger") / "scripts"))
OPERATIONS = sorted(SCRIPTS.glob("*.lua"))
SHARED = sorted((SCRIPTS / "shared").glob("*.lua"))
ALWAYS = {"base", "arguments"}


def _code(file: Path) -> str:
    """A script without its comments and texts."""
    return re.sub(r"--.*|\"[^\"\n]*\"", "", file.read_text())


def _functions(part: Path) -> list[str]:
    return re.findall(r"^local function (\w+)", part.read_text(), re.MULTILINE)


def _constants(part: Path) -> set[str]:
    return set(re.findall(r"^local ([A-Z_]+) =", part.read_text(), re.MULTILINE))


def _variables(part: Path) -> set[str]:
    return set(", ".join(re.findall(r"^local ([a-z_, ]+?)(?: =|$)", part.read_text(), re.MULTILINE)).split(", "))


def _calls(file: Path) -> set[str]:
    return set(re.findall(r"(?<!function )\b(\w+)\(", _code(file)))


@pytest.mark.parametrize("file", OPERATIONS, ids=lambda file: file.stem)
def test_a_head_says_what_a_script_takes_and_gives(file: Path) -> None:
    """First what it does, then ARGV, then what it returns; the code follows."""
    head = re.match(r"((?:--.*\n)+)", file.read_text())
    assert head is not None
    lines = head[1].splitlines()
    places = [
        next((n for n, line in enumerate(lines) if line.startswith(mark)), -1) for mark in ("-- ARGV: ", "-- Returns: ")
    ]
    assert 0 < places[0] < places[1]


@pytest.mark.parametrize("file", [*OPERATIONS, *SHARED], ids=lambda file: file.stem)
def test_arguments_are_read_one_way(file: Path) -> None:
    """Only shared/arguments.lua reads ARGV."""
    assert ("ARGV" in _code(file)) == (file.stem == "arguments")


@pytest.mark.parametrize("file", OPERATIONS, ids=lambda file: file.stem)
def test_redis_gets_the_functions_that_a_script_calls_and_no_other(file: Path) -> None:
    """Redis makes all of them anew each time it runs the script."""
    text = script(file.stem)[0]
    defined = re.findall(r"^local function (\w+)", text, re.MULTILINE)
    called = set(re.findall(r"(?<!function )\b(\w+)\(", re.sub(r"--.*|\"[^\"\n]*\"", "", text)))
    shared = {function for part in SHARED for function in _functions(part)}
    assert called & shared <= set(defined)
    assert [name for name in defined if len(re.findall(rf"\b{name}\b", text)) == 1] == []


@pytest.mark.parametrize("file", OPERATIONS, ids=lambda file: file.stem)
def test_a_script_names_the_parts_that_it_uses(file: Path) -> None:
    """Those whose functions or constants it uses, each of them and no other."""
    named = set(" ".join(re.findall(r"^-- uses: (.+)$", file.read_text(), re.MULTILINE)).split())
    used = _calls(file) | set(re.findall(r"\b[A-Z_]+\b", _code(file)))
    called = {part.stem for part in SHARED if used & {*_functions(part), *_constants(part)}}
    own = set(re.findall(r"local function (\w+)", _code(file)))
    assert not own & {name for part in SHARED for name in _functions(part)}
    assert called - ALWAYS == named


@pytest.mark.parametrize("part", SHARED, ids=lambda part: part.stem)
def test_a_shared_part_names_the_others_that_it_uses(part: Path) -> None:
    """Each of them and no other, as a script does. One of them may share only a variable."""
    named = set(" ".join(re.findall(r"^-- uses: (.+)$", part.read_text(), re.MULTILINE)).split())
    words = set(re.findall(r"\w+", _code(part)))
    used = (_calls(part) | {word for word in words if word.isupper()}) - {*_functions(part), *_constants(part)}
    called = {other.stem for other in SHARED if used & {*_functions(other), *_constants(other)}} - ALWAYS
    sharing = {other.stem for other in SHARED if words & _variables(other)}
    assert (called - named, named - called - sharing) == (set(), set())


def test_what_one_script_alone_needs_stands_in_that_script() -> None:
    """A function of a shared part has two callers, or another one of its part calls it."""
    callers = {
        name: [file.stem for file in (*OPERATIONS, *SHARED) if name in _calls(file)]
        for part in SHARED
        if part.stem not in ALWAYS
        for name in _functions(part)
    }
    shared = {part.stem for part in SHARED}
    assert {name: found for name, found in callers.items() if len(found) < 2 and not shared & set(found)} == {}


def test_what_a_script_kicks_is_kicked() -> None:
    """One that records kicks returns the lanes first, and is run by the call that kicks them; no other one is."""
    recording = {file.stem for file in OPERATIONS if {"announce", "index_and_kick"} & _calls(file)}
    returning = {file.stem for file in OPERATIONS if "-- Returns: {lanes to kick" in file.read_text()}
    python = "".join(file.read_text() for file in SCRIPTS.parent.glob("*.py"))
    kicked = set(re.findall(r"\.(?:run_(?:all_)?and_kick|spread|_in_cells)\(\s*\"(\w+)\"", python))
    kicked |= set(re.findall(r"\.some\(\s*\"(\w+)\"[^\n]*kick=True", python))
    others = set(re.findall(r"(?:\.(?:run|run_all|each|read_each)|Call)\(\s*(?:store\.prefix, )?\"(\w+)\"", python))
    others |= set(re.findall(r"\.some\(\s*\"(\w+)\"(?![^\n]*kick=True)", python))
    assert (returning, kicked, others & recording) == (recording, recording, set())


def test_every_script_can_be_composed() -> None:
    """Each has its text and the parts before it."""
    for file in OPERATIONS:
        assert file.read_text() in script(file.stem)[0]
