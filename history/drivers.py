"""The errors of the database drivers. PostgreSQL's driver is an extra, and imported only for a PostgreSQL
(`history.postgresql`): before that it has raised none."""

from __future__ import annotations

import sqlite3
import sys

Errors = tuple[type[Exception], ...]


def errors() -> Errors:
    """All of them."""
    return (sqlite3.Error, *_of_psycopg("Error"))


def outages() -> Errors:
    """The server or the file cannot be used now."""
    return (sqlite3.Error, *_of_psycopg("OperationalError"))


def refusals() -> Errors:
    """A value that the database cannot hold."""
    return _of_psycopg("DataError", "IntegrityError")


def _of_psycopg(*names: str) -> Errors:
    driver = sys.modules.get("psycopg")
    return () if driver is None else tuple(getattr(driver, name) for name in names)
