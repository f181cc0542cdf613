"""Alembic's entry: it runs the migrations on the connection with which `history.migrate` holds its lock."""

from __future__ import annotations

from alembic import context

from history.migrate import VERSION_TABLE
from history.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    transactional_ddl=True,
)
context.run_migrations()
