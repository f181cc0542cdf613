"""The operator API under /v1: a table of operations, and what carries each of them out."""
