-- The members of a sorted set that is short by nature (merchants, endpoints). ARGV: key (without the prefix)
return redis.call("ZRANGE", k(ARGV[1]), 0, -1)
