-- Removes the heartbeat of a worker that has stopped as it should.
-- ARGV: name
-- Returns: 1, or 0 if there was none
return redis.call("HDEL", k("workers"), take())
