"""The `relay` command: starts everything for a look, and talks to the console for operators."""
