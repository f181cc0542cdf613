-- Begins to put back a ledger that was lost, or goes on with it.
-- ARGV: what sequences of payments that history does not know are added to (s, UNIX time)
-- Returns: 1, or 0 where this ledger is not empty
if redis.call("EXISTS", k("restoring")) == 1 then return 1 end
if redis.call("EXISTS", k("open"), k("merchants"), k("endpoints"), k("ageing")) > 0 then return 0 end
redis.call("SET", k("restoring"), "1")
redis.call("SET", k("base"), take())
redis.call("SET", k("left"), int(now()))  -- what is not put back is as if it had left
return 1
