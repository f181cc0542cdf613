"""Everything that all processes need: settings, logging, encryption at rest, metrics, start and end of a process."""
