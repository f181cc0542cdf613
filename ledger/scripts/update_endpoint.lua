-- Replaces an endpoint's row, if it is still the one that was read. Answer: "unknown", "changed" or "updated".
-- ARGV: endpoint, row as it was read, new row, subscription
local row = k("endpoint", ARGV[1])
local state, m, old = unpack(redis.call("HMGET", row, "state", "merchant", "row"))
if not state or state == "deleted" then return "unknown" end
if old ~= ARGV[2] then return "changed" end
redis.call("HSET", row, "row", ARGV[3])
redis.call("HSET", k("subs", m), ARGV[1], ARGV[4])
return "updated"
