"""The data directory of `relay up`. One run at a time uses it; some files stay between runs."""

from __future__ import annotations

import fcntl
import os
import secrets
from pathlib import Path

import orjson
from cryptography.fernet import Fernet

from cli.failure import CommandFailed


class DataDirInUse(CommandFailed):
    """Another `relay up` uses the same directory."""


class DataDir:
    """`var/`: Redis' files, the spool, logs, generated key and token. Locked until `close`.

    Raises `DataDirInUse`.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory.resolve()
        self.shown = directory
        for part in ("redis", "spool", "log"):
            folder = self.directory / part
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(0o700)  # payments carry buyers' data
        self.lock = os.open(self.directory / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(self.lock, 20, 0).decode().strip() or "?"
            os.close(self.lock)
            raise DataDirInUse(
                f"another `relay up` (process {holder}) uses {directory}/: stop it,"
                " or choose another directory with --var"
            ) from None
        os.ftruncate(self.lock, 0)
        os.pwrite(self.lock, str(os.getpid()).encode(), 0)
        for log in (self.directory / "log").glob("*.log"):
            log.unlink()

    def close(self) -> None:
        """Releases the lock."""
        (self.directory / "relay.json").unlink(missing_ok=True)
        os.close(self.lock)

    @property
    def redis(self) -> Path:
        """The directory of Redis' append-only file."""
        return self.directory / "redis"

    @property
    def history(self) -> Path:
        """The SQLite file of history."""
        return self.directory / "history.db"

    @property
    def spool(self) -> Path:
        """The receiver's spool directory."""
        return self.directory / "spool"

    @property
    def logs(self) -> Path:
        """The log directory: one file for each process, with everything it has printed since the start."""
        return self.directory / "log"

    def announce(self, **addresses: str) -> None:
        """Writes the addresses for other `relay` commands in this directory, until `close`."""
        self._write("relay.json", orjson.dumps(addresses).decode())

    def encryption_key(self) -> str:
        """The Fernet key of this directory's ledger, generated once."""
        return self._read_or_write("encryption-key", Fernet.generate_key().decode())

    def api_token(self) -> str:
        """The operator API's token, generated once."""
        return self._read_or_write("api-token", secrets.token_urlsafe(24))

    def _read_or_write(self, name: str, fresh: str) -> str:
        """The file's content; a missing file is written with `fresh`. Only its owner can ever read it."""
        path = self.directory / name
        if not path.exists():
            self._write(name, fresh)
        return path.read_text().strip()

    def _write(self, name: str, text: str) -> None:
        draft = self.directory / f".{name}"
        draft.unlink(missing_ok=True)
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(f"{text}\n")
            file.flush()
            os.fsync(file.fileno())
        draft.rename(self.directory / name)
