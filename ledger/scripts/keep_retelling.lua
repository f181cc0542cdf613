-- Notes how far the retelling of history is.
-- ARGV: part, cursor in it; "" for both at the end
-- Returns: 1
local part, cursor = take(), take()
if part == "" then redis.call("DEL", k("retelling")) else redis.call("HSET", k("retelling"), "part", part, "cursor", cursor) end
return 1
