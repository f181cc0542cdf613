-- Makes one of several processes the only one that does something, for so long, in a ledger that is open.
-- ARGV: what it does, owner, ms
-- Returns: the ledger's name if this owner is that one, else false
local leader, owner, ms = k("leader", take()), take(), take_number()
local other, open, name = unpack(redis.call("MGET", leader, k("open"), k("name")))
if not open then return false end
-- One that expires later than it can have been set to was written before Redis' clock was put back.
if other and other ~= owner and redis.call("PTTL", leader) <= ms then return false end
redis.call("SET", leader, owner, "PX", ms)
return name
