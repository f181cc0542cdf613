"""Bodies and i'mport's objects as rows have them: compressed, except long objects, whose differences scripts store."""

from __future__ import annotations

from collections.abc import Sequence

from schemas.compression import compress, decompress
from schemas.payments.events import CallbackBody

LONG = 8_192
"""Objects this long (bytes) are not compressed: the next look-up likely shows the same object and a row more."""


def stored_object(shown: bytes) -> bytes:
    """An object as a row has it."""
    return shown if len(shown) >= LONG else compress(shown)


def stored_body(text: bytes, objects: Sequence[bytes], place: int) -> CallbackBody:
    """A body as a script returns it, with the place of its object among `objects`, from 1 on (0 for none)."""
    return CallbackBody(decompress(text), decompress(objects[place - 1]) if place else None)
