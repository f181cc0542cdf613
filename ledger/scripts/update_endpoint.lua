-- Replaces an endpoint's row, if it is still the one that was read. Answer: "unknown", "changed" or "updated".
-- ARGV: endpoint, row as it was read, new row, subscription, its health where operators had heard of trouble (JSON), if it starts
--       afresh because it is sent to in another way; else ""
-- uses: endpoints lanes
local ep, row = ARGV[1], k("endpoint", ARGV[1])
local state, m, old, health = unpack(redis.call("HMGET", row, "state", "merchant", "row", "health"))
if not state or state == "deleted" then return "unknown" end
if old ~= ARGV[2] then return "changed" end
redis.call("HSET", row, "row", ARGV[3])
redis.call("HSET", k("subs", m), ep, ARGV[4])
if ARGV[5] ~= "" then
  start_afresh(ep, ARGV[5])
  health = nil
end
-- The next claim sees what room and rate there are now; Retry-After and the breaker hold on.
local live, replay = k("lane", "deliver/" .. ep), k("lane", "replay/" .. ep)
local open_until = health and health ~= "" and cjson.decode(health)["open_until"] * 1000 or 0
local wait_until = math.max(open_until, tonumber(redis.call("HGET", live, "told_until") or 0))
redis.call("HDEL", live, "room", "rate_until", "not_before")
redis.call("HDEL", replay, "room", "not_before")
if wait_until > now() then redis.call("HSET", live, "not_before", int(wait_until)) end
index_lane("deliver/" .. ep)
index_lane("replay/" .. ep)
return "updated"
