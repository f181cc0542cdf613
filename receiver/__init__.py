"""The public intake: takes webhooks and answers when they are on disk. Nothing can be read here."""
