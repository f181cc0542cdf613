-- Lets another process do what this one alone has done.
-- ARGV: what it does, owner
-- Returns: 1 if this owner was that one, else 0
local leader, owner = k("leader", take()), take()
if redis.call("GET", leader) ~= owner then return 0 end
return redis.call("DEL", leader)
