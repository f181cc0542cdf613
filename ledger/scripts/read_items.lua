-- Reads items of the outbox, the oldest first.
-- ARGV: place behind which to begin, most
-- Returns: items {place, {field, value, …}}
return redis.call("XRANGE", k("outbox"), "(" .. take(), "+", "COUNT", take())
