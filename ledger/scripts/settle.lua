-- Writes what became of deliveries that were attempted.
-- ARGV: how many, then per delivery: lane, id, token, verdict ("delivered", "again", "dead", "disable", "hold"),
--       wait (ms, for again and hold), reason, lane wait (ms or ""), how many attempts were made, these (JSON)…
--       All but the last attempt have failed; so has the last, unless the verdict is "delivered".
-- Answer: {lanes to kick, per delivery "ok", "unwell" (the endpoint had failed before) or "lost"}
-- uses: arguments endpoints events lanes reasons replays

local MOST_ATTEMPTS = 100

local lanes, health = {}, {}
local function is_unwell(ep)
  health[ep] = health[ep] or redis.call("HGET", k("endpoint", ep), "health") or ""
  return health[ep] ~= ""
end

-- Keeps the latest attempts. Answer: how many count towards the schedule; those that were made again at once do not
local function keep_attempts(id, ep, verdict, reason, attempts)
  if #attempts == 0 then return 0 end
  if redis.call("RPUSH", k("att", id), unpack(attempts)) > MOST_ATTEMPTS then
    redis.call("LTRIM", k("att", id), -MOST_ATTEMPTS, -1)
  end
  local delivered = verdict == "delivered" and 1 or 0
  local failed = #attempts - delivered
  if delivered > 0 then
    add(k("endpoint", ep), "ok_count", delivered)
    count("delivered", delivered)
  end
  if failed > 0 then
    add(k("endpoint", ep), "fail_count", failed)
    count("failed", failed)
  end
  if delivered == 0 then redis.call("HSET", k("endpoint", ep), "last_error", reason) end
  return verdict ~= "disable" and 1 or 0
end

-- Whether the endpoint has started afresh since this was claimed: then an answer that stops it is not this endpoint's any more.
local function is_outdated(ep, token)
  return tonumber(token) < tonumber(redis.call("HGET", k("lane", "deliver/" .. ep), "afresh") or 0)
end

local function settle(lane, ep, id, verdict, wait, reason, lane_wait, attempts)
  local dlv = k("dlv", id)
  local state, m, imp, rpl, made, created, asked =
    unpack(redis.call("HMGET", dlv, "state", "merchant", "imp_uid", "replay_id", "attempts", "created_at", "asked"))
  redis.call("HDEL", dlv, "asked")  -- first, because Redis allows this when it is full, and then all that follows
  if asked and verdict == "delivered" then end_pause(ep) end
  local final = (verdict == "delivered" or verdict == "dead") and verdict or nil
  if not final and rpl and redis.call("HGET", k("replay", rpl), "state") == "stopped" then
    final, reason = "dead", because("replay_stopped", nil, reason)
  end
  local at = not final and (verdict == "disable" and now() or now() + tonumber(wait)) or nil
  lanes[lane], lanes["deliver/" .. ep] = true, true
  made = tonumber(made or 0) + keep_attempts(id, ep, verdict, reason, attempts)
  redis.call("HSET", dlv, "state", final or state, "attempts", int(made), "next_at", at and int(at) or "", "reason", reason)
  if final then
    -- It may be over already, and listed as it was, where a script before this one ended halfway.
    list(k("dlvs", "s", ep .. "/pending"), id, nil)
    relist(id, ep, state, final, created or int(now()))
    advance(lanes, id, ep, m .. "/" .. imp, final == "dead")
    if rpl then count_replayed(id, rpl, final == "delivered" and "delivered" or "failed") end
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
  release(lane, id, at)  -- last: where Redis refuses one of these, the lease ends and it is sent again
end

-- All are read before the first is written.
local results, answers = {}, {}
for i = 1, tonumber(take()) do
  results[i] = {lane = take(), id = take(), token = take(), verdict = take(), wait = take(), reason = take(),
    lane_wait = take(), attempts = take_rows(1)}
end
for i, r in ipairs(results) do
  if holds(r.lane, r.id, r.token) then
    local ep = string.match(r.lane, "/(.*)$")
    if (r.lane_wait ~= "" or r.verdict == "disable" or r.verdict == "again") and is_outdated(ep, r.token) then
      if r.verdict == "disable" then r.verdict = "again" end
      r.wait, r.lane_wait = 0, ""
    end
    settle(r.lane, ep, r.id, r.verdict, r.wait, r.reason, r.lane_wait, r.attempts)
    answers[i] = is_unwell(ep) and "unwell" or "ok"
  else
    answers[i] = "lost"
  end
end

return {announce(lanes), answers}
