-- Reads whether the ledger was opened.
-- ARGV: none
-- Returns: 1 or 0
return redis.call("EXISTS", k("open"))
