"""The pages, a subject a file: each calls operations, reads the ledger, and names its template."""
