-- Reads the members of a sorted set with the highest scores.
-- ARGV: key (without the prefix), most
-- Returns: (member, score)…, the highest first

return redis.call("ZREVRANGE", k(take()), 0, take_number() - 1, "WITHSCORES")
