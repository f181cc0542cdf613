"""An offline i'mport: its API, its webhooks, its faults, and scenarios of real payments."""
