-- The workers' signs of life. Answer: {now (ms), rows (name, "when (ms):JSON", …)}
return {int(now()), redis.call("HGETALL", k("workers"))}
