-- Takes an attempt to sign in back that turned out to be right.
-- ARGV: source
-- Returns: 1, or 0 where it is no longer remembered
local attempts, field = k("sign_ins"), "from:" .. take()
if redis.call("HEXISTS", attempts, field) == 0 then return 0 end
redis.call("HINCRBY", attempts, field, -1)
redis.call("HINCRBY", attempts, "all", -1)
return 1
