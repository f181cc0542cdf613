"""How often Python's garbage collector runs."""

from __future__ import annotations

import gc


def collect_less() -> None:
    """Run the garbage collector less often. It took a tenth of the CPU of a worker and of a receiver, and freed little:
    objects that exist by now stay, and reference counting frees nearly everything that a batch of payments or a webhook
    allocates."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)
