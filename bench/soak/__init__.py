"""The soak run: everything on for ten minutes under load, then a minute without Redis, and whether all went well."""
