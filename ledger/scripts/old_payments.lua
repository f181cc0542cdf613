-- Payments that have not changed since a time, oldest first. ARGV: before (ms), limit
return redis.call("ZRANGEBYSCORE", k("ageing"), "-inf", ARGV[1], "LIMIT", 0, ARGV[2])
