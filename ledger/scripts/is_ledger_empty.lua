-- Reads whether a ledger has no merchant, endpoint or payment, or is still being restored.
-- ARGV: none
-- Returns: 1 or 0
if redis.call("EXISTS", k("restoring")) == 1 then return 1 end
return redis.call("EXISTS", k("merchants"), k("endpoints"), k("ageing")) == 0 and 1 or 0
