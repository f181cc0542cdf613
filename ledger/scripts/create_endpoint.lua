-- Adds an endpoint. Answer: when it was created (ms), or "unknown" where there is no such merchant.
-- ARGV: endpoint, merchant, row (JSON), subscription ("ordered type type …")
local ep, m = ARGV[1], ARGV[2]
if redis.call("EXISTS", k("merchant", m)) == 0 then return "unknown" end
local created = int(now())
redis.call("HSET", k("endpoint", ep), "row", ARGV[3], "merchant", m, "state", "enabled", "disabled_reason", "",
  "created_at", created)
redis.call("HSET", k("subs", m), ep, ARGV[4])
redis.call("ZADD", k("endpoints"), created, ep)
redis.call("ZADD", k("endpoints", "m", m), created, ep)
return created
