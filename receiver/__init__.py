"""Takes webhooks from outside, and acknowledges each once it is on disk. No payment can be read here."""
