-- How an endpoint is doing, and what time it is. ARGV: endpoint. Answer: {now (ms), health (JSON, or "")}
return {int(now()), redis.call("HGET", k("endpoint", ARGV[1]), "health") or ""}
