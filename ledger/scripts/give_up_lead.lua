-- Lets another process do what only this one did (see take_lead.lua).
-- ARGV: what it does, owner
-- Returns: 1 if this owner was the one, else 0
local leader, owner = k("leader", take()), take()
if redis.call("GET", leader) ~= owner then return 0 end
return redis.call("DEL", leader)
