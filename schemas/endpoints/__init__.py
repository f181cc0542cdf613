"""Endpoints: who subscribes to what, where callbacks may go, and what an answer means."""
