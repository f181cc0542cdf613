"""How objects and bodies are stored: as zstd frames where that is shorter, made with a dictionary of what they share.

A frame begins with the magic number of zstd, and JSON never does: so the first bytes show what was stored plainly.
"""

from __future__ import annotations

import zstandard

from schemas.compression_dictionary import DICTIONARY

LEVEL = 3
LARGEST = 64 * 1024 * 1024
"""Bytes that one frame may become: i'mport's objects are far smaller, and a damaged frame must not fill the memory."""

_MAGIC = b"\x28\xb5\x2f\xfd"
_DICTIONARY = zstandard.ZstdCompressionDict(DICTIONARY)
_DICTIONARY.precompute_compress(level=LEVEL)
_COMPRESSOR = zstandard.ZstdCompressor(level=LEVEL, dict_data=_DICTIONARY, write_checksum=False)
_DECOMPRESSOR = zstandard.ZstdDecompressor(dict_data=_DICTIONARY)


def compress(plain: bytes) -> bytes:
    """The shorter of a frame and the bytes themselves."""
    frame = _COMPRESSOR.compress(plain)
    return frame if len(frame) < len(plain) or plain.startswith(_MAGIC) else plain


def decompress(stored: bytes) -> bytes:
    """What `compress` was given. Raises `ValueError` for a frame that is damaged."""
    if not stored.startswith(_MAGIC):
        return stored
    try:
        if zstandard.frame_content_size(stored) > LARGEST:
            raise ValueError("a compressed object is too large")
        return _DECOMPRESSOR.decompress(stored)
    except zstandard.ZstdError as error:
        raise ValueError(f"a compressed object is damaged: {error}") from None
