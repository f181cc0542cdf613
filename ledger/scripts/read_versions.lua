-- Reads the versions of a ledger's stored shapes.
-- ARGV: none
-- Returns: {version, version from which on these shapes can be read}; false for each that is not stored
return redis.call("MGET", k("version"), k("readable_from"))
