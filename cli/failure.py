"""The error of a command that cannot go on."""

from __future__ import annotations


class CommandFailed(Exception):
    """A command cannot go on. The text is for the terminal: one line, in English like the whole command line."""
