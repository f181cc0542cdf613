"""The pages, a subject a file: each calls operations and names its template."""
