"""What happened to a payment: from a webhook and i'mport's object to facts, events and the next refresh."""
