"""The pages, a subject a file: each reads with the operator API's calls, acts with them, and names its template."""
