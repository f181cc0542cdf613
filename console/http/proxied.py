"""Whether a request came by https, and from where, as the request and the proxies in front of the console say."""

from __future__ import annotations

from starlette.requests import Request

from runtime.proxies import Address, TrustedProxies


def is_https(request: Request, proxies: TrustedProxies) -> bool:
    """Whether the browser uses https, to the console or to a trusted proxy in front of it."""
    if request.url.scheme == "https":
        return True
    last = ",".join(request.headers.getlist("x-forwarded-proto")).rpartition(",")[2].strip()
    return last.lower() == "https" and proxies.trusts(_peer(request))


def source(request: Request, proxies: TrustedProxies) -> Address | None:
    """The address that the request comes from; None if that cannot be known."""
    trail = ",".join(request.headers.getlist("x-forwarded-for"))
    return proxies.source(_peer(request), trail.encode("latin-1"))


def _peer(request: Request) -> str:
    return request.client.host if request.client else ""
