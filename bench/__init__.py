"""Benchmarks: what the relay does on this machine, next to a plain way to do the same job."""
