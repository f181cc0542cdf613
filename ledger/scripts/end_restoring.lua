-- Ends putting a ledger back: everything is there.
-- ARGV: none
-- Returns: 1
redis.call("DEL", k("restoring"))
return 1
