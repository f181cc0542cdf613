-- Lanes: what is due, what is leased, and who is told of it.

-- The lane that has its leases from the same room: an endpoint's live deliveries and its replays are sent side by side.
local function sibling(lane)
  local kind, name = string.match(lane, "^(%a+)/(.*)$")
  return kind == "deliver" and "replay/" .. name or kind == "replay" and "deliver/" .. name or nil
end

-- How many are leased of a room, and when the first of these leases ends.
local function leased_of_room(lane)
  local n, ends = 0, nil
  for _, name in ipairs({lane, sibling(lane)}) do
    local first = score(redis.call("ZRANGE", k("leased", name), 0, 0, "WITHSCORES"))
    if first then
      n = n + redis.call("ZCARD", k("leased", name))
      ends = math.min(ends or first, first)
    end
  end
  return n, ends
end

-- Notes when a lane next wants a worker, or since when it does: when its first member is due or its first lease ends, whichever is sooner. A lane whose
-- `room` is taken waits for a lease to end, one with `not_before` (a breaker, a rate, Retry-After) until then, one with
-- `probe_until` for the probe that is out. One that is `closed` wants nobody. What an operator `asked` for waits for none of that.
local function index_lane(lane)
  local limits = redis.call("HMGET", k("lane", lane), "closed", "not_before", "probe_until", "room", "asked")
  local at = tonumber(limits[5])
  if not at and not limits[1] then
    at = score(redis.call("ZRANGE", k("due", lane), 0, 0, "WITHSCORES"))
    if at then
      at = math.max(at, tonumber(limits[2] or 0), tonumber(limits[3] or 0))
      if limits[4] then
        local n, ends = leased_of_room(lane)
        if n > 0 and n >= tonumber(limits[4]) then at = ends end
      end
    end
  end
  if limits[5] or not limits[1] then
    local ends = score(redis.call("ZRANGE", k("leased", lane), 0, 0, "WITHSCORES"))
    if ends and (not at or ends < at) then at = ends end
  end
  if not at then
    redis.call("ZREM", k("lanes"), lane)
  elseif at > now() then
    redis.call("ZADD", k("lanes"), int(at), lane)
  else
    -- It wants one since its oldest member is due, but not since before whatever kept it waiting was over: what piled up behind
    -- an endpoint that was away for days is not late as soon as the endpoint is back (see read_stats.lua).
    redis.call("ZADD", k("lanes"), "LT", int(now()), lane)
    redis.call("ZADD", k("lanes"), "GT", int(at), lane)
  end
  return at
end

-- Whether a worker should be told of this lane now. At most one kick of a lane is under way.
local function kick(lane, at)
  if not at or at > now() then return false end
  return take_for(k("kicked", lane), 5000)
end

-- Lanes whose members were changed and that were not indexed since.
local touched_lanes = {}

index_what_was_touched = function()
  for lane in pairs(touched_lanes) do index_lane(lane) end
end

-- Indexes these lanes (a set), after what is in them has changed, and those that share their room. Answer: those to kick
local function announce(lanes)
  local all, kicks = {}, {}
  for lane in pairs(lanes) do
    all[lane] = true
    local other = sibling(lane)
    if other and redis.call("ZSCORE", k("lanes"), other) then all[other] = true end
  end
  for lane in pairs(all) do
    local at = index_lane(lane)
    touched_lanes[lane] = nil
    if kick(lane, at) then kicks[#kicks + 1] = lane end
  end
  return kicks
end

-- Redis is nearly full, says the sweep: what is under way needs the room that is left, so nothing but tidying is claimed.
-- The lane is told of again in a second.
local function crowded(lane)
  if lane == "job/tidy" or redis.call("EXISTS", k("crowded")) == 0 then return false end
  redis.call("PEXPIRE", k("kicked", lane), 1000)
  return true
end

-- What lasts for `ms` at most and ends later than that was written before Redis' clock was put back: it ends in `ms` from now,
-- unless whoever has it is alive and renews it. Answer: whether there was such a thing
local function shorten(lane, ms)
  local most, found = now() + ms, false
  if (score(redis.call("ZREVRANGE", k("leased", lane), 0, 0, "WITHSCORES")) or 0) > most then
    for _, member in ipairs(redis.call("ZRANGEBYSCORE", k("leased", lane), "(" .. int(most), "+inf")) do
      redis.call("ZADD", k("leased", lane), "XX", int(most), member)
    end
    found = true
  end
  local probe_until, tokens_at, not_before, rate_until =
    unpack(redis.call("HMGET", k("lane", lane), "probe_until", "tokens_at", "not_before", "rate_until"))
  if tonumber(probe_until or 0) > most then
    redis.call("HSET", k("lane", lane), "probe_until", int(most))
    found = true
  end
  -- A rate is counted from the last claim, which cannot be later than now; the next claim says anew how long to wait.
  if tonumber(tokens_at or 0) > now() + 1000 then
    redis.call("HSET", k("lane", lane), "tokens_at", int(now()))
    if not_before and not_before == rate_until then redis.call("HDEL", k("lane", lane), "not_before") end
    found = true
  end
  return found
end

-- Leases that ended belong to workers that died or were cut off: what they held is due again. `ms` is how long one lasts.
local function reclaim(lane, ms)
  if ms then shorten(lane, tonumber(ms)) end
  local lost = redis.call("ZRANGEBYSCORE", k("leased", lane), "-inf", int(now()), "LIMIT", 0, 1000)
  for _, member in ipairs(lost) do
    redis.call("HDEL", k("tokens", lane), member)
    redis.call("ZADD", k("due", lane), int(now()), member)
    redis.call("ZREM", k("touched", lane), member)
    redis.call("ZREM", k("leased", lane), member)  -- last: where Redis refuses one of these, the lease is found again
  end
end

-- Leases members that are due, for so many ms.
local function lease(lane, members, token, ms)
  if #members == 0 then return end
  local leases, tokens, ends = {}, {}, int(now() + ms)
  for i, member in ipairs(members) do
    leases[2 * i - 1], leases[2 * i] = ends, member
    tokens[2 * i - 1], tokens[2 * i] = member, token
  end
  touched_lanes[lane] = true
  with_all("ZADD", k("leased", lane), leases)
  with_all("HSET", k("tokens", lane), tokens)
  with_all("ZREM", k("due", lane), members)
end

-- Has a member that is due attempted now, whatever its lane waits for: an operator asks for it.
local function ask_for(lane, member)
  redis.call("ZADD", k("asked", lane), int(now()), member)
  redis.call("HSETNX", k("lane", lane), "asked", int(now()))
end

-- Members that were asked for are under way, or not asked for any more.
local function forget_asked(lane, members)
  with_all("ZREM", k("asked", lane), members)
  if redis.call("EXISTS", k("asked", lane)) == 0 then redis.call("HDEL", k("lane", lane), "asked") end
end

local function holds(lane, member, token)
  return redis.call("HGET", k("tokens", lane), member) == token
end

-- Ends a lease; the member is due again at `at`, or at the time it was touched while leased, whichever is sooner.
local function release(lane, member, at)
  touched_lanes[lane] = true
  local touched = redis.call("ZSCORE", k("touched", lane), member)
  if touched then at = at and math.min(at, tonumber(touched)) or tonumber(touched) end
  redis.call("HDEL", k("tokens", lane), member)
  if at then redis.call("ZADD", k("due", lane), int(at), member) end
  if touched then redis.call("ZREM", k("touched", lane), member) end
  redis.call("ZREM", k("leased", lane), member)  -- last: where Redis refuses one of these, the lease ends in time
end

-- Makes a member due at `at`, or leaves it where it is due sooner. One that is leased stays so, and is due after that.
local function touch(lane, member, at)
  local set = redis.call("HEXISTS", k("tokens", lane), member) == 1 and "touched" or "due"
  redis.call("ZADD", k(set, lane), "LT", int(at), member)
  touched_lanes[lane] = true
end

-- Moves an unleased member to another lane, with its due time. Answer: the lane it is in.
local function move(from, to, member)
  if from == to then return to end
  local at = redis.call("ZSCORE", k("due", from), member)
  if at then
    redis.call("ZREM", k("due", from), member)
    touch(to, member, tonumber(at))
  end
  index_lane(from)
  return to
end

