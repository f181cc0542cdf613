-- Notes how far the rewriting of history is.
-- ARGV: run that the step belongs to, part, cursor in it; "" for both at the end
-- Returns: 1, or 0 if the rewriting was begun again meanwhile
local run, part, cursor = take(), take(), take()
if redis.call("HGET", k("rewriting"), "run") ~= run then return 0 end
if part == "" then redis.call("DEL", k("rewriting")) else redis.call("HSET", k("rewriting"), "part", part, "cursor", cursor) end
return 1
