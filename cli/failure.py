"""Why a command cannot go on."""

from __future__ import annotations


class CommandFailed(Exception):
    """A command cannot go on. The text is for the terminal: one line, in English as all of the command line."""
