-- Deletes an endpoint: removes its subscription and closes its lanes. Its row stays, so that its deliveries can be shown;
-- discard_deliveries.lua discards the unsettled ones.
-- ARGV: endpoint
-- Returns: "unknown", "before" (it was deleted already) or "deleted"
-- uses: lanes outbox
local ep = take()
local live = "deliver/" .. ep
local state, m = unpack(redis.call("HMGET", k("endpoint", ep), "state", "merchant"))
if not state then return "unknown" end
if state == "deleted" then return "before" end
set_endpoint(ep, "state", "deleted", "disabled_reason", "")
redis.call("HDEL", k("subs", m), ep)
redis.call("ZREM", k("endpoints"), ep)
redis.call("ZREM", k("endpoints", "m", m), ep)
redis.call("ZADD", k("endpoints", "deleted"), int(now()), ep)
redis.call("DEL", k("requested", live))
redis.call("HDEL", k("lane", live), "requested_at")
close_lanes(lanes_of_endpoint(ep))
index_lanes(lanes_of_endpoint(ep))
return "deleted"
