"""The `relay` command: starts a whole relay on this machine, and operates one through its console."""
