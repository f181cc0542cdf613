-- No longer counts an attempt to sign in, because it was successful.
-- ARGV: source, whether it counts among all (0 or 1)
-- Returns: 1, or 0 if it is no longer remembered
local attempts, field, is_among_all = k("sign_ins"), "from:" .. take(), take_flag()
if redis.call("HEXISTS", attempts, field) == 0 then return 0 end
redis.call("HINCRBY", attempts, field, -1)
if is_among_all then redis.call("HINCRBY", attempts, "all", -1) end
return 1
