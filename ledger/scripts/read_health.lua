-- Reads an endpoint's health.
-- ARGV: endpoint
-- Returns: {now (ms), health (JSON, or ""), the token before which claims say nothing about it}
local ep = take()
return {int(now()), redis.call("HGET", k("endpoint", ep), "health") or "",
  tonumber(redis.call("HGET", k("lane", "deliver/" .. ep), "fresh_from") or 0)}
