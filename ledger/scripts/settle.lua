-- Writes what became of deliveries that were attempted.
-- ARGV: how many, then per delivery: lane, id, token, verdict ("delivered", "again", "dead", "disable", "hold"),
--       wait (ms, for again and hold), reason, lane wait (ms or ""), attempt (JSON, or "" where there was none)
-- Answer: {lanes to kick, per delivery "ok", "unwell" (the endpoint had failed before) or "lost"}
-- uses: events lanes replays

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
  redis.call("HSET", k("dlv", following), "next_at", int(now()))
  if died then redis.call("HSET", k("dlv", following), "note", "sent although " .. id .. " before it is dead") end
end

local function settle(lane, id, verdict, wait, reason, lane_wait, attempt)
  local ep = string.match(lane, "/(.*)$")
  local dlv = k("dlv", id)
  local row = redis.call("HMGET", dlv, "state", "merchant", "imp_uid", "replay_id")
  local final = (verdict == "delivered" or verdict == "dead") and verdict or nil
  if not final and row[4] and redis.call("HGET", k("replay", row[4]), "state") == "stopped" then
    final, reason = "dead", reason .. "; its replay was stopped"
  end
  local at = not final and (verdict == "disable" and now() or now() + tonumber(wait)) or nil
  release(lane, id, at)
  lanes[lane] = true
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
  if final then
    set_state(id, ep, row[1], final)
    advance(id, ep, row[2] .. "/" .. row[3], final == "dead")
    count_replayed(id, final == "delivered" and "delivered" or "failed")
  end
  -- A worker disables it beforehand, together with what operators hear of it; this is for one that could not.
  if verdict == "disable" and redis.call("HGET", k("endpoint", ep), "state") == "enabled" then
    redis.call("HSET", k("endpoint", ep), "state", "disabled", "disabled_reason", reason, "disabled_at", int(now()))
    for _, name in ipairs({"deliver/" .. ep, "replay/" .. ep}) do redis.call("HSET", k("lane", name), "closed", "1") end
  end
  if lane_wait ~= "" then
    local live = k("lane", "deliver/" .. ep)
    local limits = redis.call("HMGET", live, "not_before", "told_until")
    local told = math.max(tonumber(limits[2] or 0), now() + tonumber(lane_wait))
    redis.call("HSET", live, "told_until", int(told), "not_before", int(math.max(tonumber(limits[1] or 0), told)))
  end
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

return {announce(lanes), answers}
