-- Writes how far a reconciliation is. ARGV: id, row (JSON), merchant, by hand (0 or 1)
redis.call("HSET", k("recon", ARGV[1]), "row", ARGV[2])
if ARGV[4] == "1" then
  redis.call("ZADD", k("recons"), "NX", int(now()), ARGV[1])
  redis.call("ZADD", k("recons", "m", ARGV[3]), "NX", int(now()), ARGV[1])
end
return 1
