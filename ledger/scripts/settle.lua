-- Writes what became of deliveries that were attempted.
-- ARGV: how many, then per delivery: lane, id, token, verdict ("delivered", "again", "dead", "disable", "hold"),
--       wait (ms, for again and hold), reason, lane wait (ms or ""), attempt (JSON, or "" where there was none)
-- Answer: {lanes to kick, per delivery "ok", "unwell" (the endpoint had failed before) or "lost"}

local WIDTH = 8
local lanes, answers = {}, {}

-- The next delivery of the same payment goes into the lane; it is told if the one before it died.
local function advance(id, ep, p, died)
  local chain = k("chain", ep .. "/" .. p)
  if redis.call("ZREM", chain, id) == 0 then return end
  local following = redis.call("ZRANGE", chain, 0, 0)[1]
  if not following then return end
  touch("deliver/" .. ep, following, now())
  lanes["deliver/" .. ep] = true
  redis.call("HSET", k("dlv", following), "next_at", int(now()), "reason", died and "sent although " .. id .. " before it is dead" or "")
end

local function settle(lane, id, verdict, wait, reason, lane_wait, attempt)
  local ep = string.match(lane, "/(.*)$")
  local dlv = k("dlv", id)
  local at = (verdict == "again" or verdict == "hold") and now() + tonumber(wait) or verdict == "disable" and now() or nil
  release(lane, id, at)
  local row = redis.call("HMGET", dlv, "state", "merchant", "imp_uid")
  if attempt ~= "" then
    redis.call("RPUSH", k("att", id), attempt)
    redis.call("LTRIM", k("att", id), -100, -1)
    if verdict ~= "disable" then redis.call("HINCRBY", dlv, "attempts", 1) end
    local ok = verdict == "delivered"
    redis.call("HINCRBY", k("endpoint", ep), ok and "ok_count" or "fail_count", 1)
    if not ok then redis.call("HSET", k("endpoint", ep), "last_error", reason) end
    count(ok and "delivered" or "failed", 1)
  end
  redis.call("HSET", dlv, "next_at", at and int(at) or "", "reason", reason)
  if verdict == "delivered" or verdict == "dead" then
    set_state(id, ep, row[1], verdict)
    advance(id, ep, row[2] .. "/" .. row[3], verdict == "dead")
  end
  if verdict == "disable" then
    redis.call("HSET", k("endpoint", ep), "state", "disabled", "disabled_reason", reason)
    redis.call("HSET", k("lane", lane), "closed", "1")
  end
  if lane_wait ~= "" then
    local live = k("lane", "deliver/" .. ep)
    local until_ = math.max(tonumber(redis.call("HGET", live, "not_before") or 0), now() + tonumber(lane_wait))
    redis.call("HSET", live, "not_before", int(until_), "told_until", int(until_))
  end
  lanes[lane] = true
  lanes["deliver/" .. ep] = true
end

for i = 1, tonumber(ARGV[1]) do
  local at = 1 + (i - 1) * WIDTH
  local lane, id, token = ARGV[at + 1], ARGV[at + 2], ARGV[at + 3]
  if holds(lane, id, token) then
    settle(lane, id, ARGV[at + 4], ARGV[at + 5], ARGV[at + 6], ARGV[at + 7], ARGV[at + 8])
    local health = redis.call("HGET", k("endpoint", string.match(lane, "/(.*)$")), "health")
    answers[i] = (health and health ~= "") and "unwell" or "ok"
  else
    answers[i] = "lost"
  end
end

local kicks = {}
for lane in pairs(lanes) do
  if kick(lane, index_lane(lane)) then kicks[#kicks + 1] = lane end
end
return {kicks, answers}
