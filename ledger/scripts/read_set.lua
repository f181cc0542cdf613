-- Reads a set that is short by nature (the endpoints that one event goes to).
-- ARGV: key (without the prefix)
-- Returns: members…
return redis.call("SMEMBERS", k(take()))
