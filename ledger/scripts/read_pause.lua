-- For how long i'mport is left in peace for a merchant: until its breaker lets a payment go, or the one that is out comes back.
-- ARGV: merchant. Answer: ms, 0 where nothing speaks against asking
local lane = "refresh/" .. ARGV[1]
local limits = redis.call("HMGET", k("lane", lane), "not_before", "probe_until", "failures")
local left = math.max(tonumber(limits[1] or 0), tonumber(limits[2] or 0)) - now()
-- A payment that is about to find out goes first.
if left <= 0 and tonumber(limits[3] or 0) > 0 and redis.call("ZCOUNT", k("due", lane), "-inf", int(now())) > 0 then
  left = 1000
end
return int(math.max(left, 0))
