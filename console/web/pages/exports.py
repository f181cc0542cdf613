"""Exports of lists as files, with the reader's words and clock."""

from __future__ import annotations

from console.http import acts
from console.http.streams import export_headers
from console.operations.export_rows import export_rows
from console.resources.exports import ExportParameters, export_order
from console.web.forms import filled
from console.web.reason_display import as_text
from console.web.visit import Download, PageResult, PageRoute, Visit


async def export(visit: Visit) -> PageResult:
    """The file of an export, for a merchant and some days; CSV unless the address says otherwise."""
    given = filled(merchant=visit.query("merchant"), format=visit.query("format"))
    parameters = visit.validated(ExportParameters, {"format": "csv", **given, **visit.window()})
    order = export_order(visit.part("what"), parameters)
    begun = await export_rows(
        visit.context, order, lambda reason: as_text(reason, visit.clock), read_only=visit.read_only
    )
    return Download(begun.pieces, export_headers(order, begun, visit.clock.zone))


PAGES = (PageRoute("/export/{what}", export, audited=acts.EXPORT_READ),)
