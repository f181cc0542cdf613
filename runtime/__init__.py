"""What every process needs: settings, logging, encryption at rest, metrics, and the shell of the process itself."""
