-- Makes a delivery due now, even if its lane is paused.
-- ARGV: delivery id
-- Returns: {lanes to kick, {"unknown" | "deleted" | "held" (its endpoint is disabled) | "hidden" (its payment is of a test channel,
--          which its merchant does not include) | "waits", the earlier delivery | "due"}}
-- uses: deliveries events lanes reasons requested rows
local id = take()
local d = delivery(id)
if not d then return {{}, {"unknown"}} end
local ep = d.ep
local endpoint = redis.call("HGET", k("endpoint", ep), "state")
if not endpoint or endpoint == "deleted" then return {{}, {"deleted"}} end
if endpoint ~= "enabled" then return {{}, {"held"}} end
local e = event_of(d.event)
if not e then return {{}, {"unknown"}} end
if is_hidden(e) then return {{}, {"hidden"}} end

local live, replay = unpack(lanes_of_endpoint(ep))
if d.state == "pending" then
  -- A delivery that is being sent is not sent a second time.
  if is_leased(live, id) or is_leased(replay, id) then return {{}, {"due"}} end
  local earlier = predecessor(d)
  if earlier then return {{}, {"waits", earlier}} end
  redis.call("ZREM", k("due", replay), id)
  index_lane(replay)
end
-- If an earlier script ended halfway, the delivery may be pending already, but still be listed as dead.
list(k("dlvs", "s", ep .. "/dead"), id, nil)
d.state, d.next_at, d.reason, d.waits_for = "pending", int(now()), because("retry_requested"), nil
touch(live, id, now())
request_delivery(live, d, "retry")
return {index_and_kick(live), {"due"}}
