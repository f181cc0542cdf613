-- Replaces an endpoint's row, if it is still the one that was read.
-- ARGV: endpoint, row as it was read, new row (JSON), subscription, max_in_flight, rate_limit (a second, or ""),
--       starts afresh (0 or 1): because it is sent to in another way
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
local live, replay = k("lane", "deliver/" .. ep), k("lane", "replay/" .. ep)
local open_until, retry_after_until = unpack(redis.call("HMGET", live, "open_until", "retry_after_until"))
local wait_until = math.max(tonumber(open_until or 0), tonumber(retry_after_until or 0))
redis.call("HDEL", live, "capacity", "rate_until", "not_before")
redis.call("HDEL", replay, "capacity", "not_before")
if wait_until > now() then redis.call("HSET", live, "not_before", int(wait_until)) end
index_lanes(lanes_of_endpoint(ep))
return "updated"
