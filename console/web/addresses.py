"""Addresses of pages of this console, and a check whether a given address is one of them."""

from __future__ import annotations

from urllib.parse import quote

from starlette.requests import Request


def path_part(text: object) -> str:
    """A part of a path, percent-encoded."""
    return quote(str(text), safe="")


def payment(merchant: str, imp_uid: str) -> str:
    """The address of a payment's page."""
    return f"/payments/{path_part(merchant)}/{path_part(imp_uid)}"


def requested(request: Request) -> str:
    """The path and query of a request."""
    path, query = request.url.path, request.url.query
    return local(f"{path}?{query}" if query else path)


def local(path: str, otherwise: str = "/") -> str:
    """This path if it is one of this console's; `otherwise` if a browser could take it for another site's address."""
    is_ours = path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable()
    return path if is_ours else otherwise
