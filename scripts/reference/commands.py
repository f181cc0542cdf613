"""The reference of the command line, from its own help texts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import typer

from cli.main import app

_OF_EVERY = ("as_json", "cursor", "limit")


def all_commands() -> str:
    """Every command with what it does, an example, and its arguments and options."""
    root: Any = typer.main.get_group(app)
    return "\n".join(line for name, command in root.commands.items() for line in _section(name, command))


def _section(name: str, command: Any) -> Iterator[str]:
    subcommands = getattr(command, "commands", {})
    yield from (f"## relay {name}", "")
    if command.help:
        yield from _described(command.help)
    if not subcommands or command.invoke_without_command:
        yield from _table(command.params)
    for one in subcommands.values():
        yield from (f"### relay {name} {_usage(one)}", "")
        yield from _described(one.help or "")
        yield from _table(one.params)


def _usage(command: Any) -> str:
    """Its name with its arguments."""
    arguments = [param.name.upper() for param in command.params if param.param_type_name == "argument"]
    return " ".join([command.name, *arguments])


def _described(text: str) -> Iterator[str]:
    for paragraph in text.strip().split("\n\n"):
        words = " ".join(paragraph.split())
        example = words.removeprefix("Example: ")
        yield from (words, "") if example == words else ("```text", example, "```", "")


def _table(params: Iterable[Any]) -> Iterator[str]:
    rows = [param for param in params if param.name not in _OF_EVERY and param.name != "help"]
    if not rows:
        return
    yield from ("| takes | default | meaning |", "|---|---|---|")
    for param in rows:
        yield f"| {_names(param)} | {_default(param)} | {_cell(param.help or '')} |"
    yield ""


def _names(param: Any) -> str:
    if param.param_type_name == "argument":
        return f"`{param.name.upper()}`"
    return " ".join(f"`{name}`" for name in [*param.opts, *param.secondary_opts])


def _default(param: Any) -> str:
    if param.required:
        return "required"
    if param.default is None or param.default is False or (param.is_flag if hasattr(param, "is_flag") else False):
        return f"`{param.opts[0]}`" if param.default is True else ""
    return f"`{param.default}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
