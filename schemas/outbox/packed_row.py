"""A hash of the ledger as it is packed in an outbox entry: Redis' list of field, value, field, …, as MessagePack."""

from __future__ import annotations

import msgpack


def unpack_row(packed: bytes) -> dict[str, bytes]:
    """The fields of such a hash. Raises `ValueError` for other bytes."""
    try:
        flat = msgpack.unpackb(packed, raw=True)
        return {name.decode(): value for name, value in zip(flat[::2], flat[1::2], strict=True)}
    except (msgpack.UnpackException, TypeError, AttributeError) as error:
        raise ValueError(f"no packed row: {type(error).__name__}") from None
