"""What imports make is not looked through for garbage."""

from __future__ import annotations

import gc
import sys

import pytest

from runtime.garbage import importing
from tests.support.processes import Processes

_PROGRAM = """
import gc, sys
from contextlib import suppress
gc.unfreeze()  # what the server of this process froze
sys.argv = ["relay", "--version"]
with suppress(SystemExit):
    import {module} as program
    "{module}" == "cli.start" and program.main()
print("frozen:", gc.get_freeze_count() > 10_000, "collects:", gc.isenabled())
"""


@pytest.mark.parametrize("is_enabled", [True, False])
def test_nothing_is_collected_meanwhile(is_enabled: bool) -> None:
    """What there is then stays for good, and everything else is collected as before, also if an import fails."""
    before, frozen, made = gc.isenabled(), gc.get_freeze_count(), list[list[int]]()

    def fail() -> None:
        assert not gc.isenabled()
        made.extend([number] for number in range(1000))
        raise ImportError

    try:
        (gc.enable if is_enabled else gc.disable)()
        with pytest.raises(ImportError), importing():
            fail()
        assert gc.isenabled() is is_enabled
        assert gc.get_freeze_count() >= frozen + len(made)
    finally:
        (gc.enable if before else gc.disable)()


@pytest.mark.parametrize(
    "module", ["cli.start", *(f"{name}.__main__" for name in ("console", "receiver", "sandbox", "workers"))]
)
async def test_every_program_is_imported_so(module: str, processes: Processes) -> None:
    """And collects garbage once it runs."""
    program = processes.run(module, [sys.executable, "-c", _PROGRAM.format(module=module)])
    assert await program.ended() == 0, program.output
    assert program.lines[-1] == "frozen: True collects: True"
