-- Makes this process the only one that does something (records, sweeps) for a while, unless another is or the ledger is not open.
-- ARGV: what it does, owner, for how long (ms)
-- Returns: the ledger's name if this owner is the one, else false
local leader, owner, ms = k("leader", take()), take(), take_number()
local other, open, name = unpack(redis.call("MGET", leader, k("open"), k("name")))
if not open then return false end
-- A key that expires later than it can have been set to was written before Redis' clock was put back.
if other and other ~= owner and redis.call("PTTL", leader) <= ms then return false end
redis.call("SET", leader, owner, "PX", ms)
return name
