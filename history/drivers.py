"""The errors of the database drivers. PostgreSQL's driver is an extra: without it there are only SQLite's errors."""

from __future__ import annotations

import sqlite3

ERRORS: tuple[type[Exception], ...] = (sqlite3.Error,)
OUTAGES: tuple[type[Exception], ...] = (sqlite3.Error,)
"""The server or the file cannot be used now."""
REFUSALS: tuple[type[Exception], ...] = ()
"""A value that the database cannot hold."""

try:
    import psycopg
except ImportError:
    HAS_POSTGRESQL = False
else:
    HAS_POSTGRESQL = True
    ERRORS += (psycopg.Error,)
    OUTAGES += (psycopg.OperationalError,)
    REFUSALS += (psycopg.DataError, psycopg.IntegrityError)
