-- Gives up the lead of a task (see take_lead.lua), so that another process can take it at once.
-- ARGV: task, owner
-- Returns: 1 if this owner led, else 0
local leader, owner = k("leader", take()), take()
if redis.call("GET", leader) ~= owner then return 0 end
return redis.call("DEL", leader)
