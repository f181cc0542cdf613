"""The directory of `relay up`: one user at a time, and what has to last between runs."""

from __future__ import annotations

import fcntl
import os
import secrets
from pathlib import Path

import orjson
from cryptography.fernet import Fernet

from schemas.errors import RelayError


class Occupied(RelayError):
    """Another `relay up` works in the same directory."""


class DataDir:
    """`var/`: Redis' files, the spool, logs, the generated key and token. Locked until `close`.

    Raises `Occupied`.
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
            raise Occupied(
                f"another `relay up` (process {holder}) works in {directory}/: stop it,"
                " or give this one a directory of its own with --var"
            ) from None
        os.ftruncate(self.lock, 0)
        os.pwrite(self.lock, str(os.getpid()).encode(), 0)
        for log in (self.directory / "log").glob("*.log"):
            log.unlink()

    def close(self) -> None:
        """Let the next one in."""
        (self.directory / "relay.json").unlink(missing_ok=True)
        os.close(self.lock)

    @property
    def redis(self) -> Path:
        """Where Redis keeps its append-only file."""
        return self.directory / "redis"

    @property
    def spool(self) -> Path:
        """Where the receiver keeps webhooks while Redis is away."""
        return self.directory / "spool"

    @property
    def logs(self) -> Path:
        """One file a process: everything it has printed since the start."""
        return self.directory / "log"

    def announce(self, **addresses: str) -> None:
        """Tell other commands of this directory where this relay is and how to ask it, until `close`."""
        self._write("relay.json", orjson.dumps(addresses).decode())

    def encryption_key(self) -> str:
        """The Fernet key of this directory's ledger, made at first use."""
        return self._kept("encryption-key", Fernet.generate_key().decode())

    def api_token(self) -> str:
        """The operator API's token, made at first use."""
        return self._kept("api-token", secrets.token_urlsafe(24))

    def _kept(self, name: str, fresh: str) -> str:
        """What the file holds; `fresh` if there is none yet. Readable by its owner only, from the first byte on."""
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
