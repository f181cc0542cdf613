-- Notes how far the rewriting of history is.
-- ARGV: part, cursor in it; "" for both at the end
-- Returns: 1
local part, cursor = take(), take()
if part == "" then redis.call("DEL", k("rewriting")) else redis.call("HSET", k("rewriting"), "part", part, "cursor", cursor) end
return 1
