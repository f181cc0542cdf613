"""The glossary names files that exist, and the words that it rules out are gone."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.processes import ROOT

GLOSSARY = ROOT / "docs" / "glossary.md"
SEARCHED = {".py", ".lua", ".md", ".toml", ".html", ".js", ".css"}
KEPT = re.compile(r"relay_webhooks_unkept(_total)?")
"""Names that users know and that therefore stay."""

_FILE = re.compile(r"`((?:[a-z_]+/)+[\w.]*)`")


def rows(heading: str) -> list[list[str]]:
    """The cells of a section's table, without its two lines of heading."""
    section = re.split(r"^## ", GLOSSARY.read_text().partition(f"## {heading}\n")[2], maxsplit=1, flags=re.MULTILINE)[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


NOWHERE, IN_TESTS_ONLY = "Words that are not used", "Words that only tests use"
RULED_OUT = [(word, heading) for heading in (NOWHERE, IN_TESTS_ONLY) for word, _ in rows(heading)]
TERMS = [
    row
    for heading in re.findall(r"^## (.+)$", GLOSSARY.read_text(), re.MULTILINE)
    if heading not in (NOWHERE, IN_TESTS_ONLY)
    for row in rows(heading)
]


def searched_files() -> Iterator[Path]:
    """The files of the repository in which a word can stand, but for the glossary."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in listed.splitlines():
        path = ROOT / name
        if path.suffix in SEARCHED and path.exists() and path != GLOSSARY:
            yield path


@pytest.mark.parametrize("page", ["docs/glossary.md", "docs/architecture.md"])
def test_named_files_exist(page: str) -> None:
    """Each file and package that the page names is there; a module may be named without its suffix."""
    named = set(_FILE.findall((ROOT / page).read_text()))
    assert len(named) > 20
    assert sorted(name for name in named if not (ROOT / name).exists() and not (ROOT / f"{name}.py").exists()) == []


def test_every_term_is_complete() -> None:
    """Each term has a meaning, a place and a Korean word, and stands once."""
    assert len(TERMS) > 40
    assert [row[0] for row in TERMS if len(row) != 4 or not all(row) or not re.search("[가-힣]", row[3])] == []
    names = [name for row in TERMS for name in re.split(r"[,;] ", row[0])]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(("word", "heading"), RULED_OUT)
def test_a_ruled_out_word_is_gone(word: str, heading: str) -> None:
    """Neither code nor documents use it, alone or as a part of a name; some may stand in tests."""
    pattern = re.compile(rf"(?<![a-z]){word.replace(' ', '[ _]')}", re.IGNORECASE)
    found = []
    for path in searched_files():
        if heading == IN_TESTS_ONLY and path.is_relative_to(ROOT / "tests"):
            continue
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if pattern.search(KEPT.sub("", line)):
                found.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()[:80]}")
    assert found == []
