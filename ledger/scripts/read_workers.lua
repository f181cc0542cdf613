-- Reads the workers' signs of life.
-- ARGV: none
-- Returns: {now (ms), rows (name, "when (ms):JSON", …)}
return {int(now()), redis.call("HGETALL", k("workers"))}
