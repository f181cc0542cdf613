"""Parses the URL of history's database.

    sqlite:///file                 relative to where the process runs; sqlite:////file from the root
    postgresql://[user[:password]@]host[:port]/database[?options]

User, password, database and options are percent-encoded. Options are sslmode, sslrootcert, sslcert, sslkey and host
(the directory of a Unix socket).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

_SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
_OPTIONS = ("host", "sslmode", "sslrootcert", "sslcert", "sslkey")
_NEAR = {"postgres": "postgresql", "postgresql+psycopg": "postgresql", "pgsql": "postgresql", "sqlite3": "sqlite"}


class HistoryUrlError(ValueError):
    """A URL is wrong. The text says why without showing a secret part of it."""


@dataclass(frozen=True, slots=True)
class HistoryUrl:
    """An SQLite file, or a PostgreSQL server and database, with further parameters of psycopg."""

    file: Path | None = None
    host: str = ""
    port: int = 5432
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    database: str = ""
    options: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        """The URL without user and password, so that it may be shown."""
        return f"sqlite:///{self.file}" if self.file is not None else f"postgresql://{self.host}/{self.database}"


def parse(text: str) -> HistoryUrl:
    """The meaning of a URL. Raises `HistoryUrlError`."""
    scheme, separator, rest = text.partition("://")
    if not separator or scheme not in ("sqlite", "postgresql"):
        near = _NEAR.get(scheme)
        raise HistoryUrlError(
            f"{scheme}:// must be {near}://" if near else "it must begin with sqlite:// or postgresql://"
        )
    if re.search(r"[\s#]", text) or not text.isprintable():
        raise HistoryUrlError("a space or # in it must be percent-encoded")
    return _sqlite(rest) if scheme == "sqlite" else _postgresql(text)


def _sqlite(rest: str) -> HistoryUrl:
    path, _, options = rest.partition("?")
    if options:
        raise HistoryUrlError("an SQLite file takes no options")
    if not path.startswith("/"):
        raise HistoryUrlError("a file comes after three slashes: sqlite:///var/history.db")
    name = unquote(path[1:])
    if not name or name.endswith("/"):
        raise HistoryUrlError("the name of the file is missing")
    if ":memory:" in name:
        raise HistoryUrlError("all processes share it, so it has to be a file")
    return HistoryUrl(file=Path(name))


def _postgresql(text: str) -> HistoryUrl:
    try:
        parts = urlsplit(text)
        port = parts.port or 5432
    except ValueError:
        raise HistoryUrlError("host or port cannot be read") from None
    if parts.netloc.count("@") > 1:
        raise HistoryUrlError("an @ in user or password must be written %40")
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    if unknown := [name for name in options if name not in _OPTIONS]:
        # The name is not shown: it may be the rest of a password that was not encoded.
        raise HistoryUrlError(f"{len(unknown)} of its options are unknown; it may have {', '.join(_OPTIONS)}")
    if options.get("sslmode", "prefer") not in _SSL_MODES:
        raise HistoryUrlError(f"sslmode takes {', '.join(_SSL_MODES)}")
    host = options.pop("host", "") or unquote(parts.hostname or "")
    database = unquote(parts.path.removeprefix("/"))
    if not host:
        raise HistoryUrlError("the host is missing")
    if not database or "/" in database:
        raise HistoryUrlError("the name of the database is missing")
    user, password = (unquote(part) if part else None for part in (parts.username, parts.password))
    return HistoryUrl(host=host, port=port, user=user, password=password, database=database, options=options)
