-- Makes a delivery due now, even if its lane is paused.
-- ARGV: delivery id
-- Returns: {lanes to kick, {"unknown" | "deleted" | "held" (its endpoint is disabled) | "hidden" (its payment is of a test channel,
--          which its merchant does not include) | "waits", the earlier delivery | "due"}}
-- uses: chains events lanes outbox reasons requested
local id = take()
local ep, state, m, imp, event =
  unpack(redis.call("HMGET", k("dlv", id), "endpoint", "state", "merchant", "imp_uid", "event"))
if not ep then return {{}, {"unknown"}} end
local endpoint = redis.call("HGET", k("endpoint", ep), "state")
if not endpoint or endpoint == "deleted" then return {{}, {"deleted"}} end
if endpoint ~= "enabled" then return {{}, {"held"}} end
if redis.call("EXISTS", k("evt", event)) == 0 then return {{}, {"unknown"}} end
if is_hidden(event, m) then return {{}, {"hidden"}} end

local live, replay = unpack(lanes_of_endpoint(ep))
if state == "pending" then
  -- One that is being sent is not sent a second time.
  if is_leased(live, id) or is_leased(replay, id) then return {{}, {"due"}} end
  local earlier = predecessor(id, ep, m, imp)
  if earlier then return {{}, {"waits", earlier}} end
  redis.call("ZREM", k("due", replay), id)
  index_lane(replay)
else
  set_state(id, ep, state, "pending")
end
set_delivery(id, "next_at", int(now()), "reason", because("retry_requested"))
touch(live, id, now())
request_delivery(live, id, "retry")
return {index_and_kick(live), {"due"}}
