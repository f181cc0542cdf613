"""What Alembic runs: the migrations, on the connection that `history.migrate` holds its lock with."""

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
