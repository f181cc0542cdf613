-- Reads whether a ledger holds nothing that an operator or a payment has left in it, or is only being restored.
-- ARGV: none
-- Returns: 1 or 0
if redis.call("EXISTS", k("restoring")) == 1 then return 1 end
return redis.call("EXISTS", k("merchants"), k("endpoints"), k("ageing")) == 0 and 1 or 0
