-- How an endpoint is doing, in JSON. ARGV: endpoint
return redis.call("HGET", k("endpoint", ARGV[1]), "health") or ""
