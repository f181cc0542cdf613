"""The migrations as Alembic sees them."""

from __future__ import annotations

from alembic import command
from alembic.config import Config
from alembic.script import Script, ScriptDirectory
from sqlalchemy.engine import Connection

from history.migrate import MIGRATIONS


def scripts() -> list[Script]:
    """All migrations, the newest first."""
    return list(ScriptDirectory.from_config(_config()).walk_revisions())


def upgrade(connection: Connection) -> None:
    """Run the migrations that are missing, on this connection."""
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config
