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
from functools import cache
from hashlib import sha1
from importlib.resources import files

from ledger.constants import lua_constants

_USES = re.compile(r"^-- uses: (.+)$", re.MULTILINE)
_ALWAYS = ("base", "arguments")
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
    """A script behind the constants, the parts of `_ALWAYS` and those that it, or a part of it, uses; each once."""
    parts = {name: _part(name) for name in _ALWAYS}
    _collect(text, parts)
    return "".join((lua_constants(), *parts.values(), _RUN.format(text)))


def _collect(text: str, parts: dict[str, str]) -> None:
    for names in _USES.findall(text):
        for name in names.split():
            if name not in parts:
                part = _part(name)
                _collect(part, parts)
                parts[name] = part


def _part(name: str) -> str:
    return _read(f"shared/{name}.lua")


def _read(path: str) -> str:
    return (files("ledger") / "scripts" / path).read_text()
