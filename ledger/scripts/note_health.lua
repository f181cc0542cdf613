-- Replaces how an endpoint is doing, if it is still what was read; with it goes what operators hear of it, and its end where it has one.
-- ARGV: endpoint, before, after (JSON or ""), open until (ms, 0), event ("" for none), its type, its body,
--       why the endpoint is disabled ("" where it is not)
-- Answer: lanes to kick, or nil where somebody else wrote since
-- uses: events lanes
local ep = ARGV[1]
local row, live = k("endpoint", ep), k("lane", "deliver/" .. ep)
local known, state, m = unpack(redis.call("HMGET", row, "health", "state", "merchant"))
if (known or "") ~= ARGV[2] then return nil end
-- One that was disabled or deleted meanwhile is no news to anybody.
if state ~= "enabled" then return {} end
redis.call("HSET", row, "health", ARGV[3])
local lanes = {["deliver/" .. ep] = true}
if ARGV[5] ~= "" and redis.call("EXISTS", k("evt", ARGV[5])) == 0 then
  record(lanes, redis.call("HGETALL", k("subs", m)), m, "", ARGV[5], ARGV[6], 0, false, ARGV[7], ep)
  count("events", 1)
end
if ARGV[8] ~= "" then
  redis.call("HSET", row, "state", "disabled", "disabled_reason", ARGV[8], "disabled_at", int(now()))
  for _, lane in ipairs({"deliver/" .. ep, "replay/" .. ep}) do redis.call("HSET", k("lane", lane), "closed", "1") end
end
-- The lane waits for the breaker and for what the endpoint asked for with Retry-After; each ends without the other.
local asked, open_until = tonumber(redis.call("HGET", live, "told_until") or 0), tonumber(ARGV[4])
if open_until > 0 then redis.call("HSET", live, "probe", "1") else redis.call("HDEL", live, "probe") end
redis.call("HDEL", live, "probe_until")
redis.call("HDEL", k("lane", "replay/" .. ep), "not_before")
if math.max(asked, open_until) > now() then
  redis.call("HSET", live, "not_before", int(math.max(asked, open_until)))
else
  redis.call("HDEL", live, "not_before")
end
return announce(lanes)
