"""Styles, scripts and the icon: read once. Their address has a version, so that browsers may cache them for ever."""

from __future__ import annotations

import hashlib
from importlib.resources import files

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

_TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
_KEEP = "public, max-age=31536000, immutable"


class Static:
    """The files of `console/static`. Their address changes when any of them does."""

    def __init__(self) -> None:
        folder = files("console") / "static"
        self._files = {
            entry.name: entry.read_bytes()
            for entry in sorted(folder.iterdir(), key=lambda entry: entry.name)
            if entry.name[entry.name.rfind(".") :] in _TYPES
        }
        digest = hashlib.sha256()
        for name, content in self._files.items():
            digest.update(f"{name}\0{len(content)}\0".encode() + content)
        self.version = digest.hexdigest()[:12]

    def url(self, name: str) -> str:
        """The address of a file."""
        return f"/static/{self.version}/{name}"

    async def serve(self, request: Request) -> Response:
        """Answer with a file. The address of an old version gets the current file."""
        name = request.path_params["name"]
        content = self._files.get(name)
        if content is None:
            return PlainTextResponse("There is nothing at this path", 404)
        is_current = request.path_params["version"] == self.version
        headers = {"cache-control": _KEEP if is_current else "no-cache", "x-content-type-options": "nosniff"}
        return Response(content, 200, headers, _TYPES[name[name.rfind(".") :]])
