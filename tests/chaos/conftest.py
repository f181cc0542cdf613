"""The fault-injection suite breaks the same relay that the end-to-end tests follow."""

from __future__ import annotations

from tests.end_to_end.conftest import stack, start_stack

__all__ = ["stack", "start_stack"]
