-- Reads whether a ledger holds nothing that an operator or a payment has left in it.
-- ARGV: none
-- Returns: 1 or 0
return redis.call("EXISTS", k("merchants"), k("endpoints"), k("ageing")) == 0 and 1 or 0
