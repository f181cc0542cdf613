"""What every process needs, whatever it does: settings, logging, encryption at rest, periodic work."""
