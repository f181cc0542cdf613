-- Reads which versions of shapes a ledger has.
-- ARGV: none
-- Returns: {version it has, version from which on these shapes can be read}; false for what it has not
return redis.call("MGET", k("version"), k("readable_from"))
