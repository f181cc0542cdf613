-- Sees that a merchant is known whose credentials are in the environment. ARGV: merchant
local m, row = ARGV[1], k("merchant", ARGV[1])
if redis.call("EXISTS", row) == 1 then return 0 end
local created = now()
redis.call("HSET", row, "created_at", int(created), "since", int(created - 3600000),
  "include_sandbox", "0", "check_prepared", "0", "imp_key", "", "imp_secret", "", "token_hash", "", "trouble", "")
redis.call("ZADD", k("merchants"), "NX", int(created), m)
return 1
