-- Removes the sign of life of a worker that has stopped as it should.
-- ARGV: name
-- Returns: 1, or 0 where there was none
return redis.call("HDEL", k("workers"), take())
