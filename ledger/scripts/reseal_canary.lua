-- Replaces the canary by one that is sealed anew, unless it was replaced since it was read.
-- ARGV: canary as it was read, new canary
-- Returns: 0
local known, canary = take(), take()
if redis.call("GET", k("canary")) == known then redis.call("SET", k("canary"), canary) end
return 0
