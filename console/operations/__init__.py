"""The use cases of operators, as typed functions that the API and the web console call. Lists are read from history,
single objects from the ledger as long as it has them.

Each takes the `Context` and typed arguments, and returns ledger objects or frozen dataclasses. Refusals are raised as
`RelayError`s. Nothing here knows of HTTP, JSON or HTML.
"""
