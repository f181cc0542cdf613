-- Ends putting a ledger back, after everything was put back.
-- ARGV: none
-- Returns: 1
redis.call("DEL", k("restoring"))
return 1
