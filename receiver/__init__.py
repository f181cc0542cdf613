"""The receiver: accepts webhooks and acknowledges each once it is on disk. It exposes no payments."""
