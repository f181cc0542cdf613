-- How an endpoint is doing, and what time it is. ARGV: endpoint
-- Answer: {now (ms), health (JSON, or ""), the token before which claims say nothing about it}
return {int(now()), redis.call("HGET", k("endpoint", ARGV[1]), "health") or "",
  tonumber(redis.call("HGET", k("lane", "deliver/" .. ARGV[1]), "afresh") or 0)}
