-- Stores the ledger's name in a cell that has none yet.
-- ARGV: name
-- Returns: 1
redis.call("SETNX", k("name"), take())
return 1
