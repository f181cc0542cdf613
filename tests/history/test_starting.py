"""Starting: tables are made once, by whoever comes first; what somebody has to mend is said in one line."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect
from sqlalchemy.engine import Connection

from history import History, alembic_scripts, connection, migrate, tables
from history.connection import Database
from history.sqlite_file import make_file
from runtime.history_url import parse
from schemas.errors import BadSetting, HistoryUnavailable
from tests.support.postgres import Postgres
from tests.support.processes import Processes


async def refused(url: str) -> str:
    """What a process says that does not start with this history."""
    history = History.connect(parse(url))
    with pytest.raises(BadSetting) as found:
        await history.prepare()
    await history.close()
    said = str(found.value)
    assert said.startswith("RELAY_HISTORY_URL=")
    assert "\n" not in said
    return said


async def test_migrations_make_the_tables(history: History, database: Database) -> None:
    """What migrations make is what the code reads and writes."""

    def differences(connection: Connection) -> list[object]:
        context = MigrationContext.configure(connection, opts={"version_table": migrate.VERSION_TABLE})
        return list(compare_metadata(context, tables.metadata))

    assert await database.read(differences) == []


def test_the_files_of_migrations_begin_with_their_revisions() -> None:
    """So that a process sees without Alembic that none is missing."""
    assert [script.revision for script in alembic_scripts.scripts()][::-1] == migrate._revisions()


def test_only_a_migration_needs_alembic(history_url: str) -> None:
    """A worker or console that finds its tables ready does without it, and with SQLite without PostgreSQL's driver."""
    code = """if True:
        import asyncio, sys
        from history import History
        from runtime.history_url import parse
        asyncio.run(History.connect(parse(sys.argv[1])).prepare())
        print("alembic" in sys.modules, "psycopg" in sys.modules)
    """
    command = [sys.executable, "-c", code, history_url]
    is_postgresql = parse(history_url).file is None
    for is_new in (True, False):
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert done.stdout.split() == [str(is_new), str(is_postgresql)]


_STARTS = """
import asyncio, sys, time
from pathlib import Path
from history import History, alembic_scripts
from runtime.history_url import parse

upgrade = alembic_scripts.upgrade

def counted(connection):
    print("makes the tables")
    upgrade(connection)

async def main():
    history = History.connect(parse(sys.argv[1]))
    await history.prepare()
    await history.ping()
    assert await history.missing_steps() == []
    await history.close()

alembic_scripts.upgrade = counted
print("is there")
while not Path("go").exists():
    time.sleep(0.001)
asyncio.run(main())
"""


async def test_many_processes_start_at_once(history_url: str, processes: Processes) -> None:
    """One makes the tables, the others wait for it."""
    started = [processes.run("one", [sys.executable, "-c", _STARTS, history_url]) for _ in range(5)]
    for one in started:
        await one.printed("is there")
    (processes.directory / "go").touch()
    assert [await one.ended() for one in started] == [0] * 5, [one.output for one in started]
    assert sorted(one.lines for one in started) == [["is there"]] * 4 + [["is there", "makes the tables"]]


async def test_tables_of_a_newer_version(history: History, database: Database, history_url: str) -> None:
    """An older process starts beside them where they say that its code works with them, and changes nothing."""
    statement = f"UPDATE {migrate.VERSION_TABLE} SET version_num = '9999'"  # noqa: S608  # a name of ours
    await database.write(lambda connection: connection.exec_driver_sql(statement))
    older = History.connect(parse(history_url))
    await older.prepare()
    assert await older.missing_steps() == []
    await older.close()
    statement = "UPDATE about SET value = '9998' WHERE name = 'readable_from'"
    await database.write(lambda connection: connection.exec_driver_sql(statement))
    assert "of a newer version" in await refused(history_url)


async def test_another_programs_database(database: Database, history_url: str) -> None:
    """Its tables are left alone."""
    if (file := parse(history_url).file) is not None:
        make_file(file)
    await database.write(lambda connection: connection.exec_driver_sql("CREATE TABLE orders (id INTEGER)"))
    assert "tables of another program (orders)" in await refused(history_url)


async def test_the_file_is_its_owners(tmp_path: Path) -> None:
    """It holds buyers' data: nobody else may read it, nor its log."""
    history = History.connect(parse(f"sqlite:///{tmp_path}/deep/down/history.db"))
    await history.prepare()
    await history.adopt("ledger")
    assert {file.stat().st_mode & 0o777 for file in (tmp_path / "deep/down").iterdir()} == {0o600}
    await history.close()


async def test_a_link_leads_to_the_file(tmp_path: Path) -> None:
    """Also before there is one; a log that another file has left there is not taken for its own."""
    (tmp_path / "history.db").symlink_to(tmp_path / "disk" / "history.db")
    (tmp_path / "disk").mkdir()
    (tmp_path / "disk" / "history.db-wal").write_bytes(b"of another file" * 1000)
    history = History.connect(parse(f"sqlite:///{tmp_path}/history.db"))
    await history.prepare()
    assert await history.adopt("ledger") == "ledger"
    assert (tmp_path / "disk" / "history.db").stat().st_mode & 0o777 == 0o600
    await history.close()


async def test_preparing_again_keeps_the_locks(tmp_path: Path) -> None:
    """A process that prepares a history that it has open loses nothing when another one closes the file."""
    url = f"sqlite:///{tmp_path}/history.db"
    history = History.connect(parse(url))
    await history.prepare()
    await history.adopt("one")
    await history.prepare()
    code = "import sqlite3, sys; file = sqlite3.connect(sys.argv[1]); file.execute('SELECT 1 FROM about'); file.close()"
    ended = await asyncio.create_subprocess_exec(sys.executable, "-c", code, str(tmp_path / "history.db"))
    assert await ended.wait() == 0
    await history.hand_over("two")
    reader = History.connect(parse(url))
    assert await reader.owner() == "two"
    await reader.close()
    await history.close()


def _drop_everything(connection: Connection) -> None:
    for view in inspect(connection).get_view_names():
        connection.exec_driver_sql(f"DROP VIEW {view}")
    tables.metadata.drop_all(connection)
    connection.exec_driver_sql(f"DROP TABLE {migrate.VERSION_TABLE}")


async def test_it_is_prepared_once(history_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """By each process that works with it, not each time that one opens its ledger; but where the tables are gone."""
    migrations: list[Connection] = []
    migrated = migrate._migrate

    def counted(connection: Connection) -> None:
        migrations.append(connection)
        migrated(connection)

    monkeypatch.setattr(migrate, "_migrate", counted)
    first = History.connect(parse(history_url))
    await first.prepare()
    await first.prepare()
    second = History.connect(parse(history_url), is_prepared=True)
    await second.prepare()
    assert len(migrations) == 1
    await second._database.write(_drop_everything)
    await second.prepare()
    assert len(migrations) == 2
    assert await second.owner() is None
    await first.close()
    await second.close()


async def test_files_that_cannot_be_used(tmp_path: Path) -> None:
    """A text file, a folder, a file in no folder."""
    (tmp_path / "text.db").write_text("this is no database\n" * 100)
    assert "not an SQLite database" in await refused(f"sqlite:///{tmp_path}/text.db")
    assert "cannot be opened" in await refused(f"sqlite:///{tmp_path}")
    assert "cannot be opened" in await refused("sqlite:////proc/none/history.db")
    with sqlite3.connect(tmp_path / "other.db") as other:
        other.execute("CREATE TABLE people (name TEXT)")
    assert "another program (people)" in await refused(f"sqlite:///{tmp_path}/other.db")


async def test_what_passes_is_no_fault(tmp_path: Path, own_postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that somebody else writes, and a server that starts, stops or recovers, are waited for: the word
    "database" in what they say is not the name of one that there is not."""
    monkeypatch.setattr(connection, "BUSY", 0.2)
    path = tmp_path / "history.db"
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("PRAGMA journal_mode=WAL")
    holder.execute("BEGIN IMMEDIATE")
    locked = History.connect(parse(f"sqlite:///{path}"))
    with pytest.raises(HistoryUnavailable, match="database is locked"):
        await locked.prepare()
    await locked.close()
    holder.close()
    # It ends once nobody is connected any more, and until then turns others away.
    url = own_postgres.create("history")
    with psycopg.connect(url):
        own_postgres.stop_when_idle()
        stopping = History.connect(parse(url))
        with pytest.raises(HistoryUnavailable, match="the database system is shutting down"):
            await stopping.prepare()
        await stopping.close()


async def test_servers_that_turn_us_away(postgres_server: Postgres) -> None:
    """No such database or user, no rights: said without the password. A server that is away may come back."""
    url = postgres_server.create("narrow")
    for statement in ("CREATE ROLE narrow LOGIN PASSWORD 'geheim'", "REVOKE CREATE ON SCHEMA public FROM PUBLIC"):
        postgres_server.execute(statement, "narrow")
    assert "there is no such database" in await refused(postgres_server.url("nowhere"))
    assert "there is no such user" in await refused(postgres_server.url("narrow", "nobody", "geheim"))
    said = await refused(postgres_server.url("narrow", "narrow", "geheim"))
    assert "may not create tables" in said
    assert "geheim" not in said
    away = History.connect(parse(url.replace(str(postgres_server.port), "1")))
    with pytest.raises(HistoryUnavailable, match="refused"):
        await away.prepare()
    await away.close()
