-- Notes a replay and makes its first step due.
-- ARGV: id, lane of its job, cursor (ms: everything recorded up to then is passed over), until (ms, or "" for now), then (field, value)…
-- Answer: the lane to kick, or ""
-- uses: lanes
local id, lane = ARGV[1], ARGV[2]
local row, at = k("replay", id), int(now())
-- What is recorded from now on is sent anyway.
local till = ARGV[4] ~= "" and math.min(tonumber(ARGV[4]), now()) or now()
redis.call("HSET", row, "state", "running", "walked", "0", "cursor", ARGV[3], "until", int(till), "created_at", at,
  "queued", "0", "delivered", "0", "failed", "0", unpack(ARGV, 5))
redis.call("ZADD", k("replays"), at, id)
touch(lane, id, now())
return kick(lane, index_lane(lane)) and lane or ""
