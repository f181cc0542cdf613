"""What any process needs to keep running: background work that is watched."""
