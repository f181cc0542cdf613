-- Makes this process the leader of a task (recording, sweeping) for a while, unless another process leads it or the ledger is not open.
-- ARGV: task, owner, for how long (ms)
-- Returns: the ledger's name if this owner leads, else false
local leader, owner, ms = k("leader", take()), take(), take_number()
local other, open, name = unpack(redis.call("MGET", leader, k("open"), k("name")))
if not open then return false end
-- A key that expires later than it can have been set to was written before Redis' clock was put back.
if other and other ~= owner and redis.call("PTTL", leader) <= ms then return false end
redis.call("SET", leader, owner, "PX", ms)
return name
