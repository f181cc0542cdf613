"""An answer that is too large, however it is cut into pieces on the way."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from iamport.http_exchange import LARGEST_RESPONSE, exchange
from schemas.errors import TooMuchAsked


class Pieces(httpx.AsyncBaseTransport):
    """Answers everything with these pieces of a body."""

    def __init__(self, *pieces: bytes) -> None:
        self._pieces = pieces

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """The answer, piece by piece."""

        async def body() -> AsyncIterator[bytes]:
            for piece in self._pieces:
                yield piece

        return httpx.Response(200, content=body(), request=request)


@pytest.mark.parametrize("sizes", [(100,) * 20, (), (5000,)], ids=["small", "none", "large"])
async def test_the_first_bytes_of_a_too_large_answer_are_its_first(sizes: tuple[int, ...]) -> None:
    """They follow each other as they came: nothing between them is left out."""
    pieces = [bytes([65 + place]) * size for place, size in enumerate(sizes)]
    pieces.append(b"z" * (LARGEST_RESPONSE + 1))
    with pytest.raises(TooMuchAsked) as failed:
        await exchange(Pieces(*pieces), httpx.Request("GET", "https://api.iamport.kr/payments"))
    assert failed.value.begins == b"".join(pieces)[:4096]
