"""Every command of the pages is run as it stands, in a shell, against a running relay."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import typer

from cli.main import app
from tests.docs.conftest import RelayUp
from tests.docs.pages import PAGES, bash, blocks, commands
from tests.support.processes import ROOT, clean_environ

LOST = {f"sh {what}" for what in ("empty-ledger", "begin-anew", "empty-everything", "empty-history", "postgresql")}
"""Commands for when something is lost or of another kind: test_runbooks.py runs them."""
DEBIAN = {"sh debian", "sh debian-services"}
"""Commands for a machine of its own: `make check-install` runs them."""
KNOWN = {"sh", "sh no-test", *LOST, *DEBIAN, "json", "text", "ini", "mermaid", "python", "sql"}
MOST_UNTESTED = 4
SAYS = {"start.md": "payment.paid of imp_.*: done"}

# The Korean page has the commands of the English one, as another test sees to.
RUN = [page for page in PAGES if commands(page) and page.name != "README.ko.md"]


@pytest.mark.parametrize("page", RUN, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_commands_of_a_page_work(
    page: Path,
    relay_up: RelayUp,
    story: Mapping[str, str],
    shell_path: str,
    free_port: Callable[[], int],
    tmp_path: Path,
) -> None:
    """One after another in one shell, each succeeds."""
    parts = [f"echo '--- line {block.line}'\n{block.text}" for block in commands(page)]
    script = relay_up.usual("set -euo pipefail\n" + "\n".join(parts)).replace("3000", str(free_port()))
    environ = {
        **clean_environ(),
        **story,
        "PATH": shell_path,
        "RELAY_API_TOKEN": relay_up.token,
        "RELAY_CONSOLE_URL": relay_up.urls["console"],
        "IMP_API_URL": relay_up.urls["sandbox"],
    }
    output_file = tmp_path / "output"
    if page.name in SAYS:
        # What runs in the background says so a moment later, and ends with the shell.
        found = f"grep -q '{SAYS[page.name]}' '{output_file}'"
        script += f"for i in $(seq 100); do if {found}; then exit 0; fi; sleep 0.1; done; exit 1"
    status, output = bash(script, environ, relay_up.directory, output_file)
    assert status == 0, output[-4000:]


def test_blocks_say_what_they_are() -> None:
    """Every fenced block is of a known kind, so no command goes unrun by mistake; few are left out on purpose."""
    everything = [(page.name, block) for page in PAGES for block in blocks(page)]
    assert [(name, block.line) for name, block in everything if block.info not in KNOWN] == []
    fences = sum(line.strip().startswith("```") for page in PAGES for line in page.read_text().splitlines())
    assert fences == 2 * len(everything)
    untested = [block for name, block in everything if block.info == "sh no-test" and name != "README.ko.md"]
    assert len(untested) <= MOST_UNTESTED


def test_targets_of_make_are_there() -> None:
    """Where a page says `make run`, the Makefile has it."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    pages = [*PAGES, ROOT / "CONTRIBUTING.md"]
    named = {name for page in pages for name in re.findall(r"(?m:^|`)make ([a-z-]+)", page.read_text())}
    assert named <= targets


def test_both_readmes_have_the_same_commands() -> None:
    """The Korean page says the same: same blocks, same links."""

    def told(name: str) -> tuple[list[tuple[str, str]], list[str]]:
        page = ROOT / name
        code = [(block.info, _without_comments(block.text)) for block in blocks(page) if block.info != "mermaid"]
        links = re.findall(r"\]\(([^)]+)\)", page.read_text())
        return code, [link for link in links if not link.startswith("README")]

    assert told("README.md") == told("README.ko.md")


def test_examples_of_the_help_are_understood(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every example that a command's help gives parses as that command."""
    monkeypatch.setenv("IMP_SECRET", "not asked for")
    monkeypatch.setenv("RELAY_ENDPOINT_SECRET", "whsec_")
    root: Any = typer.main.get_group(app)
    examples = list(_examples(root))
    assert len(examples) > 25
    for words in examples:
        command, rest = root.commands[words[0]], words[1:]
        if rest and rest[0] in getattr(command, "commands", {}):
            command, rest = command.commands[rest[0]], rest[1:]
        command.make_context(words[0], list(rest), resilient_parsing=False)


def _examples(root: Any) -> Iterator[list[str]]:
    for name, group in root.commands.items():
        for command in (group, *getattr(group, "commands", {}).values()):
            for line in (command.help or "").splitlines():
                text = line.strip().removeprefix("Example: relay ")
                if text != line.strip():
                    assert text.startswith(name)
                    yield shlex.split(re.sub(r" \(.*\)$| \| .*$", "", text))


def _without_comments(text: str) -> str:
    return re.sub(r" *#.*$", "", text, flags=re.MULTILINE)
