-- Opens a ledger whose history is known to be its own: from now on webhooks are accepted and work is claimed.
-- ARGV: name of the ledger that was begun
-- Returns: 1, or 0 if another ledger is here by now
if redis.call("GET", k("name")) ~= take() then return 0 end
redis.call("SET", k("open"), "1")
return 1
