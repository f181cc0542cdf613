-- An endpoint's state, and the pauses of its lanes.
-- uses: lanes outbox

-- The endpoint's state and merchant; nil if it is unknown or deleted.
local function registered(ep)
  local state, m = unpack(redis.call("HMGET", k("endpoint", ep), "state", "merchant"))
  if not state or state == "deleted" then return nil end
  return state, m
end

-- From now on its deliveries are held: its lanes are not claimed. The caller indexes the lanes.
local function disable_endpoint(ep, reason)
  set_endpoint(ep, "state", "disabled", "disabled_reason", reason, "disabled_at", int(now()))
  close_lanes(lanes_of_endpoint(ep))
end

-- Ends the pause that an endpoint asked for with Retry-After, and the wait of its breaker. Its rate and its capacity still apply.
local function end_pause(ep)
  for _, lane in ipairs(lanes_of_endpoint(ep)) do
    redis.call("HDEL", k("lane", lane), "not_before", "retry_after_until", "open_until", "probe_until")
  end
end

-- An endpoint starts afresh when it is enabled, or when its URL or headers change: with the health that was stored for that case (see
-- note_health.lua). Results of deliveries that were claimed before do not count.
local function start_afresh(ep)
  local row, live = k("endpoint", ep), "deliver/" .. ep
  local fresh_from = int(redis.call("INCR", k("seq")))
  redis.call("HSET", k("lane", live), "fresh_from", fresh_from)
  redis.call("HSET", row, "health", redis.call("HGET", row, "fresh_health") or "", "places", "", "places_since", fresh_from)
  redis.call("HDEL", k("lane", live), "probe_capacity", "capacity")
  redis.call("HDEL", k("lane", "replay/" .. ep), "capacity")
  end_pause(ep)
end
