"""What every process needs to keep running: HTTP connections, background work that is watched."""
