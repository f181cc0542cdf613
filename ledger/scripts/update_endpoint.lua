-- Replaces an endpoint's row, if it is still the one that was read.
-- ARGV: endpoint, row as it was read, new row (JSON), subscription, max_in_flight, rate_limit (a second, or ""),
--       whether it starts afresh (0 or 1), because its URL or headers change
-- Returns: "unknown", "changed" or "updated"
-- uses: endpoints lanes outbox
local ep, known, row, subscription, max_in_flight, rate_limit, starts_afresh =
  take(), take(), take(), take(), take(), take(), take_flag()
local state, m = registered(ep)
if not state then return "unknown" end
if redis.call("HGET", k("endpoint", ep), "row") ~= known then return "changed" end
set_endpoint(ep, "row", row, "max_in_flight", max_in_flight, "rate_limit", rate_limit)
redis.call("HSET", k("subs", m), ep, subscription)
if starts_afresh then start_afresh(ep) end
-- The next claim computes capacity and rate anew; Retry-After and the breaker still apply.
local live, replay = unpack(lanes_of_endpoint(ep))
local open_until, retry_after_until = unpack(redis.call("HMGET", k("lane", live), "open_until", "retry_after_until"))
redis.call("HDEL", k("lane", live), "capacity", "rate_until")
redis.call("HDEL", k("lane", replay), "capacity", "not_before")
set_not_before(live, math.max(tonumber(open_until or 0), tonumber(retry_after_until or 0)))
index_lanes({live, replay})
return "updated"
