"""Migrations: the first process that starts makes the tables or brings them up to date, while the others wait.

A process that is older than the tables starts only if they say that its release can work with them (`readable_from`).
Alembic is imported only where a migration is missing: it takes 11 MiB.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from sqlalchemy import column, insert, inspect, select, table
from sqlalchemy.engine import Connection

from history import tables
from history.connection import Database
from history.sqlite_file import make_file
from runtime.history_url import HistoryUrl
from schemas.errors import BadSetting, HistoryUnavailable

PROGRAM = "iamport-relay"
VERSION_TABLE = "history_version"
MIGRATIONS = Path(__file__).parent / "migrations"
SETTING = "RELAY_HISTORY_URL"
PATIENCE = 600.0
"""Seconds that migrations may take, including the wait for another process."""

_NEWER = "its tables are of a newer version of the relay: start that version, or set another database"
_READABLE_FROM = "readable_from"
_LOCK = 0x72656C61_79686973
"""The key of PostgreSQL's advisory lock: `relayhis` in ASCII."""
_OLDEST_POSTGRESQL = (14, 0)
_HELP = {
    # Errors that do not pass by themselves, by PostgreSQL's error codes (its manual, appendix A).
    "28P01": "the password is wrong",
    "28000": "this user may not connect",
    "3D000": "there is no such database: create it (createdb)",
    "42501": "this user may not create tables in it: grant CREATE on its schema",
}
_SIGNS = {
    # The same for connections that fail before there is a code, and for SQLite.
    "password authentication failed": _HELP["28P01"],
    "no password supplied": "it requires a password",
    "no pg_hba.conf entry": _HELP["28000"],
    'role "': "there is no such user",
    'database "': _HELP["3D000"],  # with a name: "the database system is starting up", "database is locked" will pass
    "could not translate host name": "there is no such host",
    "name or service not known": "there is no such host",
    "file is not a database": "the file is not an SQLite database: set another path",
    "readonly database": "the file is not writable: give this user write access to the file and its folder",
    "unable to open database file": "the file cannot be opened: give this user access to the file and its folder",
    "file is encrypted": "the file is not an SQLite database: set another path",
}


@dataclass(frozen=True, slots=True)
class MigrationStep:
    """A migration, what it does in words, and the oldest revision whose code works with the tables afterwards."""

    revision: str
    title: str
    readable_from: str


async def prepare(database: Database, url: HistoryUrl) -> None:
    """Make the tables, or bring them up to date.

    Raises `BadSetting` for an error that an operator must fix: the database does not exist, is another program's or is
    newer, or rights are missing. Raises `HistoryUnavailable` while the database is away.
    """
    try:
        if url.file is not None:
            await asyncio.to_thread(make_file, url.file)
        await database.write(_migrate, PATIENCE)
    except OSError as error:
        raise _bad(url, f"the file cannot be opened: {error.strerror}") from None
    except HistoryUnavailable as error:
        if help_ := _help(error):
            raise _bad(url, help_) from None
        raise
    except BadSetting as error:
        raise _bad(url, str(error)) from None


async def check_version(database: Database, url: HistoryUrl) -> None:
    """Raise `BadSetting` if a newer release has changed the tables so that this one cannot work with them. Raises
    `HistoryUnavailable` while the database is away."""
    readable_from = await database.read(_readable_from)
    if readable_from is not None and readable_from not in _revisions():
        raise _bad(url, _NEWER)


def _migrate(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        server = connection.dialect.server_version_info or (0,)
        if server < _OLDEST_POSTGRESQL:
            raise BadSetting(f"it is PostgreSQL {server[0]}, and 14 or newer is needed")
        connection.exec_driver_sql("SET LOCAL lock_timeout = 0")
        connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
    if missing := missing_steps(connection):
        from history import alembic_scripts

        alembic_scripts.upgrade(connection)
        _allow(connection, missing[-1].readable_from)


def all_steps() -> list[MigrationStep]:
    """The migrations that a new database needs, in their order."""
    return _steps(_revisions())


def missing_steps(connection: Connection) -> list[MigrationStep]:
    """The migrations that a database lacks, in their order. Raises `BadSetting` for one that is another program's, or
    whose tables this version cannot work with."""
    _refuse_others(connection)
    current, revisions = _current(connection), _revisions()
    if current is None:
        return _steps(revisions)
    if current in revisions:
        return _steps(revisions[revisions.index(current) + 1 :])
    if _readable_from(connection) not in revisions:
        raise BadSetting(_NEWER)
    return []  # the tables are newer than this process, which can work with them all the same


def _steps(revisions: list[str]) -> list[MigrationStep]:
    if not revisions:
        return []
    from history import alembic_scripts

    scripts = {script.revision: script for script in alembic_scripts.scripts()}
    found = [scripts[revision] for revision in revisions]
    return [MigrationStep(script.revision, script.doc, script.module.readable_from) for script in found]


@cache
def _revisions() -> list[str]:
    """The revisions that this version knows, oldest first: the files of migrations begin with them."""
    return sorted(file.name[1:5] for file in (MIGRATIONS / "versions").glob("m*.py"))


def _current(connection: Connection) -> str | None:
    """The revision of the tables, as Alembic has written it; None if there are none."""
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    return connection.execute(select(column("version_num")).select_from(table(VERSION_TABLE))).scalar()


def _readable_from(connection: Connection) -> str | None:
    return connection.execute(select(tables.about.c.value).where(tables.about.c.name == _READABLE_FROM)).scalar()


def _allow(connection: Connection, readable_from: str) -> None:
    connection.execute(tables.about.delete().where(tables.about.c.name == _READABLE_FROM))
    connection.execute(insert(tables.about).values(name=_READABLE_FROM, value=readable_from))


def _refuse_others(connection: Connection) -> None:
    found = set(inspect(connection).get_table_names())
    if tables.about.name in found:
        program = connection.execute(select(tables.about.c.value).where(tables.about.c.name == "program")).scalar()
        if program == PROGRAM:
            return
    if found:
        raise BadSetting(f"it holds tables of another program ({min(found)}): give history a database of its own")


def _bad(url: HistoryUrl, why: str) -> BadSetting:
    return BadSetting(f"{SETTING}={url}: {why}")


def _help(error: HistoryUnavailable) -> str | None:
    cause = error.__cause__
    state = getattr(getattr(cause, "orig", cause), "sqlstate", None)
    if state in _HELP:
        return _HELP[state]
    said = str(error.reason.params.get("error", "")).lower()
    return next((help_ for sign, help_ in _SIGNS.items() if sign in said), None)
