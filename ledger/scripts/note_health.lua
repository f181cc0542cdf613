-- Replaces an endpoint's health, if it has not changed since it was read. In the same step, if asked to, records the event about it and
-- disables the endpoint.
-- ARGV: endpoint, health as it was read, new health, health for when it is enabled or changed (JSON, or "" for healthy),
--       until when the breaker is open (ms, 0 for closed), how many deliveries may probe it then (or ""), why it is disabled (or ""),
--       event (or ""), its type, filters that cover it, body, entry for history
-- Returns: {lanes to kick, "changed" (the health was written since it was read) or "noted"}
-- uses: endpoints events lanes
local ep, before, after, fresh, open_until, probe_capacity, disabled_reason =
  take(), take(), take(), take(), take_number(), take_text(), take_text()
local event, type_, filters, body, entry = take_text(), take(), take(), take(), take()
local row, lane = k("endpoint", ep), "deliver/" .. ep
local live = k("lane", lane)
local known, state, m = unpack(redis.call("HMGET", row, "health", "state", "merchant"))
if (known or "") ~= before then return {{}, "changed"} end
-- If the endpoint was disabled or deleted meanwhile, no event is recorded.
if state ~= "enabled" then return {{}, "noted"} end
redis.call("HSET", row, "health", after, "fresh_health", fresh)
local lanes = {[lane] = true}
if event and redis.call("EXISTS", k("evt", event)) == 0 then
  local e = {id = event, of = m, type = type_, sequence = "0", silent = "0", body = body, about = ep, filters = filters, entry = entry}
  record_event(lanes, e, subscribers(e, redis.call("HGETALL", k("subs", m))))
  count("events", 1)
end
if disabled_reason then disable_endpoint(ep, disabled_reason) end
-- The lane waits for the breaker and for the pause that the endpoint asked for with Retry-After; either may end first.
if probe_capacity then
  redis.call("HSET", live, "probe_capacity", probe_capacity, "open_until", int(open_until))
else
  redis.call("HDEL", live, "probe_capacity", "open_until")
end
redis.call("HDEL", live, "probe_until")
redis.call("HDEL", k("lane", "replay/" .. ep), "not_before")
set_not_before(lane, math.max(tonumber(redis.call("HGET", live, "retry_after_until") or 0), open_until))
return {announce(lanes), "noted"}
