"""How objects and bodies are stored: as zstd frames if that is shorter, made with a dictionary of what they share.

A frame begins with zstd's magic number and JSON never does, so the first bytes show whether a value is compressed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

import zstandard

from schemas.compression_dictionary import DICTIONARY

LEVEL = 3
LARGEST = 64 * 1024 * 1024
"""The most bytes that one frame may expand to. i'mport's objects are far smaller; a damaged frame must not fill the
memory."""

_MAGIC = b"\x28\xb5\x2f\xfd"
_DICTIONARY = zstandard.ZstdCompressionDict(DICTIONARY)
_DICTIONARY.precompute_compress(level=LEVEL)

Tool = TypeVar("Tool")


class _Tools(Generic[Tool]):
    """Lends each of its tools to one thread at a time, as zstandard's objects break when two threads use one at once.
    Makes another tool when all are lent."""

    def __init__(self, make: Callable[[], Tool]) -> None:
        self._make = make
        self._idle = [make()]  # a list's `pop` and `append` are atomic

    def take(self) -> Tool:
        """A tool that no other thread has."""
        try:
            return self._idle.pop()
        except IndexError:
            return self._make()

    def put(self, tool: Tool) -> None:
        """Take a tool back. One that raised an error must not come back: it may be in the middle of a frame."""
        self._idle.append(tool)


_COMPRESSORS = _Tools(lambda: zstandard.ZstdCompressor(level=LEVEL, dict_data=_DICTIONARY, write_checksum=False))
_DECOMPRESSORS = _Tools(lambda: zstandard.ZstdDecompressor(dict_data=_DICTIONARY))


def compress(plain: bytes) -> bytes:
    """A frame of the bytes, or the bytes themselves if the frame is not shorter. Bytes that look like a frame always
    become one."""
    compressor = _COMPRESSORS.take()
    frame = compressor.compress(plain)
    _COMPRESSORS.put(compressor)
    return frame if len(frame) < len(plain) or plain.startswith(_MAGIC) else plain


def decompress(stored: bytes) -> bytes:
    """The bytes that `compress` was given. Raises `ValueError` for a damaged frame."""
    if not stored.startswith(_MAGIC):
        return stored
    try:
        if zstandard.frame_content_size(stored) > LARGEST:
            raise ValueError("a compressed object is too large")
        decompressor = _DECOMPRESSORS.take()
        plain = decompressor.decompress(stored)
    except zstandard.ZstdError as error:
        raise ValueError(f"a compressed object is damaged: {error}") from None
    _DECOMPRESSORS.put(decompressor)
    return plain
