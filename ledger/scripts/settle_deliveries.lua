-- Writes the results of deliveries that were attempted. All but the last attempt have failed; so has the last, unless the verdict is
-- "delivered".
-- ARGV: how many, then per delivery: lane, id, token, verdict ("delivered", "again", "dead", "disable", "hold"),
--       wait (ms, for again and hold), reason, lane wait (ms, or ""), how many attempts were made, (JSON, entry for
--       history)…; how many endpoints' places change, then per endpoint: id, its places as they were read, its places,
--       whether they are halved, whether the endpoint's capacity changes (0 or 1 each)
-- Returns: {lanes to kick, {per delivery "ok", "was_failing" (the endpoint had failed before) or "lost"}, {per endpoint whose places
--          change: {1, or 0 if they had been replaced since, its places now, the token from which on answers count}}}
-- uses: deliveries endpoints lanes leases outbox reasons replays

local MOST_ATTEMPTS = 100

local lanes, health = {}, {}
local function was_failing(ep)
  health[ep] = health[ep] or redis.call("HGET", k("endpoint", ep), "health") or ""
  return health[ep] ~= ""
end

-- Keeps the latest attempts. Returns: how many count towards the schedule: 1 at most, because repeating one at once does not count
local function keep_attempts(d, r)
  if #r.attempts == 0 then return 0 end
  local made = tonumber(d.made or 0)
  for i = 1, #r.attempts, 2 do
    made = made + 1
    d.log[#d.log + 1] = r.attempts[i]
    append_entry(r.attempts[i + 1], {number = made, imp_uid = d.imp})
    if #d.log > MOST_ATTEMPTS then table.remove(d.log, 1) end
  end
  d.made = int(made)
  local delivered = r.verdict == "delivered" and 1 or 0
  local failed = #r.attempts / 2 - delivered
  if delivered > 0 then
    add(k("endpoint", d.ep), "ok_count", delivered)
    count("delivered", delivered)
  end
  if failed > 0 then
    add(k("endpoint", d.ep), "fail_count", failed)
    count("failed", failed)
  end
  if delivered == 0 then redis.call("HSET", k("endpoint", d.ep), "last_error", r.reason) end
  return r.verdict ~= "disable" and 1 or 0
end

-- Whether the endpoint has started afresh since this delivery was claimed: then an answer that would stop it no longer counts.
local function is_outdated(ep, token)
  return tonumber(token) < tonumber(redis.call("HGET", k("lane", "deliver/" .. ep), "fresh_from") or 0)
end

-- The endpoint asked for a pause with Retry-After: neither of its lanes is claimed for so long.
local function pause_endpoint(ep, ms)
  local live = k("lane", "deliver/" .. ep)
  local not_before, retry_after_until = unpack(redis.call("HMGET", live, "not_before", "retry_after_until"))
  local ends = math.max(tonumber(retry_after_until or 0), now() + ms)
  redis.call("HSET", live, "retry_after_until", int(ends), "not_before", int(math.max(tonumber(not_before or 0), ends)))
end

-- Replaces an endpoint's places, if they are still those that were read. Returns: whether it did, and what they are now
local function change_places(p, may_write)
  local places, since = unpack(redis.call("HMGET", k("endpoint", p.ep), "places", "places_since"))
  if not may_write or (places or "") ~= p.before then return {0, places or "", since or "0"} end
  redis.call("HSET", k("endpoint", p.ep), "places", p.after)
  if p.is_halved then
    -- Callbacks under way were sent with the old places: their answers neither halve the new ones nor let them grow.
    since = int(tonumber(redis.call("GET", k("seq"))) + 1)
    redis.call("HSET", k("endpoint", p.ep), "places_since", since)
  end
  -- The next claim computes both lanes' capacity anew.
  if p.is_new_capacity then
    for _, lane in ipairs(lanes_of_endpoint(p.ep)) do redis.call("HDEL", k("lane", lane), "capacity") end
  end
  return {1, p.after, since or "0"}
end

-- The deliveries to write: the settled ones, and those that waited for them.
local changed = {}

local function settle(d, r)
  local ep = d.ep
  if d.requested and r.verdict == "delivered" then end_pause(ep) end
  local final = (r.verdict == "delivered" or r.verdict == "dead") and r.verdict or nil
  if not final and d.replay_id and redis.call("HGET", k("replay", d.replay_id), "state") == "stopped" then
    final, r.reason = "dead", because("replay_stopped", nil, r.reason)
  end
  local at = not final and (r.verdict == "disable" and now() or now() + r.wait) or nil
  lanes[r.lane], lanes["deliver/" .. ep] = true, true
  d.attempts = int(tonumber(d.attempts or 0) + keep_attempts(d, r))
  d.state, d.next_at, d.reason, d.requested = final or d.state, at and int(at), r.reason, nil
  changed[#changed + 1] = d
  if final then
    -- If an earlier script ended halfway, the delivery may be over already, but still be listed as pending.
    list(k("dlvs", "s", ep .. "/pending"), d.id, nil)
    changed[#changed + 1] = advance(lanes, d, final == "dead")
    if d.replay_id then count_replayed(d, final == "delivered" and "delivered" or "failed") end
  end
  -- The worker has disabled it already, together with the event about it (note_health.lua); this is for a worker that could not.
  if r.verdict == "disable" and redis.call("HGET", k("endpoint", ep), "state") == "enabled" then disable_endpoint(ep, r.reason) end
  if r.lane_wait then pause_endpoint(ep, r.lane_wait) end
  return at
end

-- All deliveries are read before the first is written.
local results, answers = {}, {}
for i = 1, take_number() do
  results[i] = {lane = take(), id = take(), token = take(), verdict = take(), wait = take_number(), reason = take_text(),
    lane_wait = take_number(), attempts = take_rows(2)}
end
local changes, places = {}, {}
for i = 1, take_number() do
  changes[i] = {ep = take(), before = take(), after = take(), is_halved = take_flag(), is_new_capacity = take_flag()}
end
local ids, of_lane = {}, {}
for i, r in ipairs(results) do
  ids[i] = r.id
  of_lane[r.lane] = of_lane[r.lane] or {}
  table.insert(of_lane[r.lane], r.id)
end
find_deliveries(ids)
local tokens, settled, due = {}, {}, {}
for lane, some in pairs(of_lane) do
  tokens[lane], settled[lane], due[lane] = tokens_of(lane, some), {}, {}
  redis.call("HDEL", k("tokens", lane), "")  -- first: a full Redis allows this command, and then all commands after it
end
local is_settled = {}
for i, r in ipairs(results) do
  local d = not is_settled[r.id] and tokens[r.lane][r.id] == r.token and delivery(r.id)
  if d then
    if (r.lane_wait or r.verdict == "disable" or r.verdict == "again") and is_outdated(d.ep, r.token) then
      if r.verdict == "disable" then r.verdict = "again" end
      r.wait, r.lane_wait = 0, nil
    end
    due[r.lane][r.id] = settle(d, r)
    table.insert(settled[r.lane], r.id)
    is_settled[r.id] = true
    answers[i] = was_failing(d.ep) and "was_failing" or "ok"
  else
    answers[i] = "lost"
  end
end
save_all(changed)

-- If nothing was settled, this would be the first write of the script, which a full Redis refuses.
local may_write = next(is_settled) ~= nil
for i, change in ipairs(changes) do places[i] = change_places(change, may_write) end

-- Leases end last: if Redis refuses a command before that, the lease runs out and the delivery is sent again.
append_to_outbox()
for lane, some in pairs(settled) do release_all(lane, some, due[lane]) end

return {announce(lanes), {answers, places}}
