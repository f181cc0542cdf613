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
-- `probe_until` for the probe that is out. One that is `closed` wants nobody.
local function index_lane(lane)
  local limits = redis.call("HMGET", k("lane", lane), "closed", "not_before", "probe_until", "room")
  local at
  if not limits[1] then
    at = score(redis.call("ZRANGE", k("due", lane), 0, 0, "WITHSCORES"))
    if at then
      at = math.max(at, tonumber(limits[2] or 0), tonumber(limits[3] or 0))
      if limits[4] then
        local n, ends = leased_of_room(lane)
        if n > 0 and n >= tonumber(limits[4]) then at = ends end
      end
    end
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
  return redis.call("SET", k("kicked", lane), "1", "NX", "PX", 5000) and true or false
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
    if kick(lane, index_lane(lane)) then kicks[#kicks + 1] = lane end
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

-- Leases that ended belong to workers that died or were cut off: what they held is due again.
local function reclaim(lane)
  local lost = redis.call("ZRANGEBYSCORE", k("leased", lane), "-inf", int(now()), "LIMIT", 0, 1000)
  for _, member in ipairs(lost) do
    redis.call("ZREM", k("leased", lane), member)
    redis.call("HDEL", k("tokens", lane), member)
    redis.call("ZREM", k("touched", lane), member)
    redis.call("ZADD", k("due", lane), int(now()), member)
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
  with_all("ZADD", k("leased", lane), leases)
  with_all("HSET", k("tokens", lane), tokens)
  with_all("ZREM", k("due", lane), members)
end

local function holds(lane, member, token)
  return redis.call("HGET", k("tokens", lane), member) == token
end

-- Ends a lease; the member is due again at `at`, or at the time it was touched while leased, whichever is sooner.
local function release(lane, member, at)
  redis.call("ZREM", k("leased", lane), member)
  redis.call("HDEL", k("tokens", lane), member)
  local touched = redis.call("ZSCORE", k("touched", lane), member)
  if touched then
    redis.call("ZREM", k("touched", lane), member)
    at = at and math.min(at, tonumber(touched)) or tonumber(touched)
  end
  if at then redis.call("ZADD", k("due", lane), int(at), member) end
end

-- Makes a member due at `at`, or leaves it where it is due sooner. One that is leased stays so, and is due after that.
local function touch(lane, member, at)
  local set = redis.call("HEXISTS", k("tokens", lane), member) == 1 and "touched" or "due"
  redis.call("ZADD", k(set, lane), "LT", int(at), member)
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

