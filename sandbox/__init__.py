"""An offline i'mport: its API, its webhooks, its faults, and scenarios that play what real payments do."""
