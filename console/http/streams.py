"""Answers that are sent while they are read from history, however long they are. A client never mistakes a part for the
whole."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, tzinfo

import structlog
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from console.http.operation import behind_headers
from console.operations.export_rows import Export, ExportOrder
from history.export import Format
from schemas.errors import HistoryUnavailable

MEDIA_TYPES: Mapping[Format, str] = {"ndjson": "application/x-ndjson", "csv": "text/csv; charset=utf-8"}
ROWS = "relay-export-rows"
"""The header that says how many rows an export has."""

log = structlog.get_logger()


class Streamed(StreamingResponse):
    """A streamed answer. If history fails in the middle of it, the connection is closed without the end of the answer,
    so that no client mistakes a part for the whole."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request; for a HEAD, history is not read."""
        if scope["method"] == "HEAD":
            self.body_iterator = _nothing()
        await super().__call__(scope, receive, send)

    async def stream_response(self, send: Send) -> None:
        """Send the whole answer, piece by piece."""
        try:
            await super().stream_response(send)
        except HistoryUnavailable as error:
            log.warning("stream_broke_off", error=str(error))


def export_headers(order: ExportOrder, export: Export, zone: tzinfo = UTC) -> dict[str, str]:
    """The headers of an export. The name of its file has the first and the last day of its window, in this zone."""
    ends = (order.since, None if order.until is None else order.until - 0.001)
    days = [f"{datetime.fromtimestamp(at, zone):%Y-%m-%d}" for at in ends if at is not None]
    name = "_".join([order.what, *([order.merchant] if order.merchant else []), *days])
    headers = {
        "content-type": MEDIA_TYPES[order.format],
        "content-disposition": f'attachment; filename="{name}.{order.format}"',
    }
    if export.rows is not None:
        headers[ROWS] = str(export.rows)
    return headers | behind_headers(export.behind)


async def _nothing() -> AsyncIterator[bytes]:
    for piece in (b"",):
        yield piece
