-- Lanes: which members are due or leased, and when a lane needs a worker.

local function lanes_of_endpoint(ep)
  return {"deliver/" .. ep, "replay/" .. ep}
end

local function lanes_of_merchant(m)
  return {"refresh/" .. m, "unknown/" .. m}
end

local function name_of(lane)
  return string.match(lane, "/(.*)$")
end

-- The other lane of the same endpoint: live deliveries and replays share one capacity. nil for the other kinds of lanes
local function sibling(lane)
  local kind, name = string.match(lane, "^(%a+)/(.*)$")
  return kind == "deliver" and "replay/" .. name or kind == "replay" and "deliver/" .. name or nil
end

-- When an unleased member is due (ms, past or future); nil if it is not.
local function due_at(lane, member)
  return tonumber(redis.call("ZSCORE", k("due", lane), member))
end

local function is_leased(lane, member)
  return redis.call("HEXISTS", k("tokens", lane), member) == 1
end

-- Whether a member waits for a worker, now or later, or a worker has it.
local function is_due_or_leased(lane, member)
  return due_at(lane, member) ~= nil or is_leased(lane, member)
end

-- When the first member of a lane is due that is not leased; nil if there is none.
local function first_due(lane)
  return score(redis.call("ZRANGE", k("due", lane), 0, 0, "WITHSCORES"))
end

-- When the first lease of a lane ends; nil if it has none.
local function first_end(lane)
  return score(redis.call("ZRANGE", k("leased", lane), 0, 0, "WITHSCORES"))
end

-- Lanes that need a worker before the sweep would look by itself, and were not kicked -> when.
local soon = {}

-- When a lane whose capacity is used up has some again: when the first lease of its endpoint ends. nil if it has some now. `ends`: when the
-- first lease of this lane ends
local function has_capacity_at(lane, capacity, ends)
  local other = sibling(lane)
  local ends_there = other and first_end(other)
  local n = (ends and redis.call("ZCARD", k("leased", lane)) or 0) + (ends_there and redis.call("ZCARD", k("leased", other)) or 0)
  return n > 0 and n >= capacity and math.min(ends or ends_there, ends_there or ends) or nil
end

-- Records in `lanes` when a lane next needs a worker, or since when it has needed one: when its first member is due or its first lease
-- ends, whichever is sooner. A lane whose `capacity` is used up waits until a lease ends. One with `not_before` (a breaker, a rate,
-- Retry-After) waits until then, and one with `probe_until` for the probe that is under way. A `closed` lane needs no worker. A delivery
-- that an operator requested waits for none of these. `first`: when its first member is due, if the caller has read that.
-- Returns: the time (ms), or nil
local function index_lane(lane, first)
  local closed, not_before, probe_until, capacity, requested_at =
    unpack(redis.call("HMGET", k("lane", lane), "closed", "not_before", "probe_until", "capacity", "requested_at"))
  local at = tonumber(requested_at)
  local ends = (at or not closed) and first_end(lane)
  if not at and not closed then
    at = first or first_due(lane)
    if at then
      at = capacity and has_capacity_at(lane, tonumber(capacity), ends)
        or math.max(at, tonumber(not_before or 0), tonumber(probe_until or 0))
    end
  end
  if ends and (not at or ends < at) then at = ends end
  soon[lane] = at and at < now() + SWEEP_REST_MS and at or nil
  if not at then
    redis.call("ZREM", k("lanes"), lane)
  elseif at > now() then
    redis.call("ZADD", k("lanes"), int(at), lane)
  else
    -- The lane has needed a worker since its oldest member was due, or since its pause ended if that was later: otherwise all that had
    -- piled up behind an endpoint for days would count as late the moment the endpoint is back (see read_stats.lua).
    redis.call("ZADD", k("lanes"), "LT", int(now()), lane)
    redis.call("ZADD", k("lanes"), "GT", int(at), lane)
  end
  return at
end

-- Whether this lane should be kicked now. At most one kick of a lane is under way.
local function kick(lane, at)
  if not at or at > now() then return false end
  soon[lane] = nil
  return take_for(k("kicked", lane), 5000)
end

-- Indexes a lane after a change. Returns: {this lane} if it is to be kicked, else {}
local function index_and_kick(lane)
  return kick(lane, index_lane(lane)) and {lane} or {}
end

-- Pauses a lane until `at` (ms), or ends its pause if that has passed.
local function set_not_before(lane, at)
  if at > now() then
    redis.call("HSET", k("lane", lane), "not_before", int(at))
  else
    redis.call("HDEL", k("lane", lane), "not_before")
  end
end

-- Closed lanes need no worker until they are opened.
local function close_lanes(lanes)
  for _, lane in ipairs(lanes) do redis.call("HSET", k("lane", lane), "closed", "1") end
end

local function index_lanes(lanes)
  for _, lane in ipairs(lanes) do index_lane(lane) end
end

-- Lanes whose members have changed since they were last indexed.
local touched_lanes = {}

index_touched_lanes = function()
  for lane in pairs(touched_lanes) do index_lane(lane) end
end

-- Wakes the sweep if a lane of `soon` is due before the sweep means to look. If Redis refuses this, the sweep looks when its rest ends.
wake_the_sweep = function()
  local first
  for _, at in pairs(soon) do first = math.min(first or at, at) end
  local planned = first and tonumber(redis.call("GET", k("sweep_at")) or nil)
  if not planned or planned <= first then return end
  redis.pcall("SET", k("sweep_at"), int(first))
  redis.pcall("XADD", k("wake"), "MAXLEN", 1, "*", "at", int(first))
end

-- Indexes lanes (a set) whose members have changed, and the lanes that share their capacity. Returns: the lanes to kick
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

-- Ends leases of a lane. Each member is due again at `due[member]` (nil: not at all), or at the due time that it got while it was
-- leased, whichever is sooner.
local function release_all(lane, members, due)
  if #members == 0 then return end
  touched_lanes[lane] = true
  local touched, due_again = redis.call("ZMSCORE", k("touched", lane), unpack(members)), {}
  local were_touched = {}
  for i, member in ipairs(members) do
    local at, touched_at = due[member], tonumber(touched[i] or nil)
    if touched_at then
      were_touched[#were_touched + 1] = member
      at = math.min(at or touched_at, touched_at)
    end
    if at then
      due_again[#due_again + 1] = int(at)
      due_again[#due_again + 1] = member
    end
  end
  redis.call("HDEL", k("tokens", lane), unpack(members))
  with_all("ZADD", k("due", lane), due_again)
  with_all("ZREM", k("touched", lane), were_touched)
  redis.call("ZREM", k("leased", lane), unpack(members))  -- last: if Redis refuses a command before it, the lease still ends in time
end

local function release(lane, member, at)
  release_all(lane, {member}, {[member] = at})
end

-- Makes members due at `at`, except those that are due sooner. A leased member stays leased, and is due once its lease ends.
local function touch_all(lane, members, at)
  if #members == 0 then return end
  touched_lanes[lane] = true
  for first = 1, #members, 1000 do
    local some = {unpack(members, first, math.min(first + 999, #members))}
    local tokens, time, due, touched = redis.call("HMGET", k("tokens", lane), unpack(some)), int(at), {"LT"}, {"LT"}
    for i, member in ipairs(some) do
      local to = tokens[i] and touched or due
      to[#to + 1] = time
      to[#to + 1] = member
    end
    if #due > 1 then redis.call("ZADD", k("due", lane), unpack(due)) end
    if #touched > 1 then redis.call("ZADD", k("touched", lane), unpack(touched)) end
  end
end

local function touch(lane, member, at)
  touch_all(lane, {member}, at)
end

-- Takes a member out, even a leased one: its worker then finds that its fencing token is gone.
local function remove_from_lane(lane, member)
  for _, set in ipairs({"due", "leased", "touched"}) do redis.call("ZREM", k(set, lane), member) end
  redis.call("HDEL", k("tokens", lane), member)
end

-- Moves an unleased member to another lane, with its due time. Returns: the lane it is in.
local function move(from, to, member)
  if from == to then return to end
  local at = due_at(from, member)
  if at then
    redis.call("ZREM", k("due", from), member)
    touch(to, member, at)
  end
  index_lane(from)
  return to
end
