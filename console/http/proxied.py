"""What a request says of itself, and the proxies in front of the console of it: whether by https, and from where."""

from __future__ import annotations

from starlette.requests import Request

from runtime.proxies import Address, TrustedProxies


def is_https(request: Request, proxies: TrustedProxies) -> bool:
    """Whether the browser speaks https, to us or to a trusted proxy in front of us."""
    if request.url.scheme == "https":
        return True
    last = ",".join(request.headers.getlist("x-forwarded-proto")).rpartition(",")[2].strip()
    return last.lower() == "https" and proxies.trusts(_peer(request))


def source(request: Request, proxies: TrustedProxies) -> Address | None:
    """The address from where the request comes; None where it cannot be known."""
    trail = ",".join(request.headers.getlist("x-forwarded-for"))
    return proxies.source(_peer(request), trail.encode("latin-1"))


def _peer(request: Request) -> str:
    return request.client.host if request.client else ""
