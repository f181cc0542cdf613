"""The scripts: one ``.lua`` file per operation, put behind `ledger.constants` and the shared parts that it names in a
line ``-- uses: …``.

When a script returns or fails, what it has changed is appended to the outbox, its lists and counters are written, and
the sweep is woken where something is due sooner (see ``scripts/shared/base.lua``); if Redis refuses one of these, the
others are done all the same. A script may fail if Redis refuses a command in the middle; what was written before
stays, and lists, lanes and history must agree with it. If the outbox may lack a change, the script notes that, and
history is written again (see `ledger.rewriting`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import cache
from hashlib import sha1
from importlib.resources import files
from typing import NamedTuple

from ledger.constants import lua_constants

_USES = re.compile(r"^-- uses: (.+)$", re.MULTILINE)
_ALWAYS = ("base", "arguments")
_COMMENT = re.compile(r"^ *--.*\n", re.MULTILINE)
_FUNCTION = re.compile(r"^local function (\w+)(?:.*\n)+?end\n", re.MULTILINE)
_NAME = re.compile(r"[A-Za-z_]\w*")
_RUN = """local function run()
{}
end
local done, answer = pcall(run)
local appended, refused = pcall(append_to_outbox)
note_lacking()
if not done then
  pcall(index_touched_lanes)
  pcall(write_lists_and_counters)
  pcall(wake_the_sweep)
  error(answer, 0)
end
write_lists_and_counters()
wake_the_sweep()
if not appended then error(refused, 0) end
return answer
"""


@cache
def script(name: str) -> tuple[str, str]:
    """The whole text of ``scripts/{name}.lua``, and its SHA-1."""
    text = composed(_read(f"{name}.lua"))
    return text, sha1(text.encode(), usedforsecurity=False).hexdigest()


def composed(text: str) -> str:
    """A script behind the constants, the parts of `_ALWAYS` and those that it, or a part of it, uses; each once. Of
    their functions it has those that are called: Redis makes all functions of a script anew each time it runs it."""
    parts = {name: _part(name) for name in _ALWAYS}
    _collect(text, parts)
    pieces = [piece for part in parts.values() for piece in _pieces(part)]
    run = _RUN.format(text)
    return "".join((lua_constants(), *_needed(pieces, run), run))


def _collect(text: str, parts: dict[str, str]) -> None:
    for names in _USES.findall(text):
        for name in names.split():
            if name not in parts:
                part = _part(name)
                _collect(part, parts)
                parts[name] = part


class _Piece(NamedTuple):
    """A function of a part, or what stands between two (``name`` is ""), and the names in it."""

    name: str
    text: str
    words: frozenset[str]


@cache
def _pieces(part: str) -> Sequence[_Piece]:
    text, pieces, end = _COMMENT.sub("", part), [], 0
    for found in _FUNCTION.finditer(text):
        pieces += [("", text[end : found.start()]), (found[1], found[0])]
        end = found.end()
    return [_Piece(name, piece, _names(piece)) for name, piece in (*pieces, ("", text[end:]))]


def _names(text: str) -> frozenset[str]:
    return frozenset(_NAME.findall(text))


def _needed(pieces: Sequence[_Piece], run: str) -> Iterable[str]:
    """The texts of those that a script needs, in their order."""
    needed: set[str] = set()
    found = _names(run).union(*(piece.words for piece in pieces if not piece.name))
    while found - needed:
        needed |= found
        found = frozenset().union(*(piece.words for piece in pieces if piece.name in found))
    return (piece.text for piece in pieces if not piece.name or piece.name in needed)


def _part(name: str) -> str:
    return _read(f"shared/{name}.lua")


def _read(path: str) -> str:
    return (files("ledger") / "scripts" / path).read_text()
