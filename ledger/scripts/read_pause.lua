-- Reads for how long i'mport must not be called for a merchant: until its pause ends, or the probe that is under way.
-- ARGV: merchant
-- Returns: ms, 0 if it may be called
local PROBE_GOES_FIRST = 1000
local lane = "refresh/" .. take()
local not_before, probe_until, failures =
  unpack(redis.call("HMGET", k("lane", lane), "not_before", "probe_until", "failures"))
local left = math.max(tonumber(not_before or 0), tonumber(probe_until or 0)) - now()
-- A payment that is about to probe i'mport goes first.
if left <= 0 and tonumber(failures or 0) > 0 and redis.call("ZCOUNT", k("due", lane), "-inf", int(now())) > 0 then
  left = PROBE_GOES_FIRST
end
return int(math.max(left, 0))
