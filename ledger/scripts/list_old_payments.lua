-- Lists payments that have not changed for long, oldest first.
-- ARGV: not changed since (ms), limit
-- Returns: names (merchant/imp_uid)…
return redis.call("ZRANGEBYSCORE", k("ageing"), "-inf", take(), "LIMIT", 0, take())
