-- Gives up a test delivery: the operator who asked for it no longer waits.
-- ARGV: delivery
-- Returns: 1, or 0 if it is over, or is being sent under a lease that has not ended
-- uses: deliveries lanes reasons requested
local id = take()
local d = delivery(id)
if not d or d.state ~= "pending" then return 0 end
local lane = "deliver/" .. d.ep
if redis.call("ZREM", k("due", lane), id) == 0 then
  -- The lane of a disabled endpoint is not claimed, so no claim would find that the lease of a killed worker has ended.
  local ends = redis.call("ZSCORE", k("leased", lane), id)
  if not ends or tonumber(ends) > now() then return 0 end
  redis.call("ZREM", k("leased", lane), id)
  redis.call("HDEL", k("tokens", lane), id)
end
drop_requests(lane, {id})
index_lane(lane)
end_delivery(d, "dead", because("test_tried_once"))
save(d)
return 1
