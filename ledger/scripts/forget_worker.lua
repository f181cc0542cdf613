-- A worker has stopped as it should. ARGV: name
return redis.call("HDEL", k("workers"), ARGV[1])
