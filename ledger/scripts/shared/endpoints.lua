-- Endpoints for which the reasons to wait are gone.
-- uses: lanes

-- The pause that an endpoint asked for with Retry-After, and the wait of its breaker, are over. Its rate and its room hold on.
local function end_pause(ep)
  for _, lane in ipairs({"deliver/" .. ep, "replay/" .. ep}) do
    redis.call("HDEL", k("lane", lane), "not_before", "told_until", "probe_until")
  end
end

-- An endpoint that is enabled, or sent to in another way, starts afresh: it has not failed yet, and answers to what was claimed before
-- say nothing about it. A success is still news where operators had heard of trouble (schemas.health.enabled).
-- `heard` is its health then (JSON).
local function start_afresh(ep, heard)
  local row, live = k("endpoint", ep), "deliver/" .. ep
  local health = redis.call("HGET", row, "health")
  redis.call("HSET", k("lane", live), "afresh", int(redis.call("INCR", k("seq"))))
  redis.call("HSET", row, "health", health and health ~= "" and cjson.decode(health)["stage"] > 0 and heard or "")
  redis.call("HDEL", k("lane", live), "probe", "room")
  redis.call("HDEL", k("lane", "replay/" .. ep), "room")
  end_pause(ep)
end
