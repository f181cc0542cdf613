-- The members of a set that is short by nature (the endpoints one event goes to). ARGV: key (without the prefix)
return redis.call("SMEMBERS", k(ARGV[1]))
