-- Reads a sorted set that is short by nature (merchants, endpoints).
-- ARGV: key (without the prefix)
-- Returns: members…
return redis.call("ZRANGE", k(take()), 0, -1)
