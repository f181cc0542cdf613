-- Begins to put back a lost ledger, or goes on with it.
-- ARGV: base of the sequences of payments that history does not know (s, UNIX time)
-- Returns: 1, or 0 if this ledger is not empty
-- uses: opening restoring
if is_restoring() then return 1 end
if is_open() or not is_empty() then return 0 end
redis.call("SET", k("restoring"), "1")
redis.call("SET", k("base"), take())
redis.call("SET", k("left"), int(now()))  -- a payment that is not put back counts as one that has left
return 1
