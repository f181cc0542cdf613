"""How often Python's garbage collector runs."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def importing() -> Iterator[None]:
    """Import a program with the garbage collector off, which took a third of a start's CPU: what modules make lives as
    long as the process. It is then frozen, so that later collections and the exit pass over it."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_enabled:
            gc.enable()


def collect_less() -> None:
    """Run the garbage collector less often. It took a tenth of the CPU of a worker and of a receiver, and freed little:
    objects that exist by now stay, and reference counting frees nearly everything that a batch of payments or a webhook
    allocates."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)
