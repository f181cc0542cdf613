"""History: what happened, for years, in SQL. Every table and query is in this package, behind `History`."""

from history.history import History

__all__ = ["History"]
