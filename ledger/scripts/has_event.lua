-- Reads whether the ledger has an event.
-- ARGV: id
-- Returns: 1 or 0
-- uses: rows
local event = take()
return redis.call("HEXISTS", row_of(event).key, "e:" .. event)
