-- No longer counts an attempt to sign in, because it was successful.
-- ARGV: source
-- Returns: 1, or 0 if it is no longer remembered
local attempts, field = k("sign_ins"), "from:" .. take()
if redis.call("HEXISTS", attempts, field) == 0 then return 0 end
redis.call("HINCRBY", attempts, field, -1)
redis.call("HINCRBY", attempts, "all", -1)
return 1
