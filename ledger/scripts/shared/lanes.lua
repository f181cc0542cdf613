-- Lanes: what is due, what is leased, and when a lane wants a worker.

local function lanes_of_endpoint(ep)
  return {"deliver/" .. ep, "replay/" .. ep}
end

local function lanes_of_merchant(m)
  return {"refresh/" .. m, "unknown/" .. m}
end

local function name_of(lane)
  return string.match(lane, "/(.*)$")
end

-- The other lane of an endpoint: its live deliveries and its replays share one capacity. nil for other lanes
local function sibling(lane)
  local kind, name = string.match(lane, "^(%a+)/(.*)$")
  return kind == "deliver" and "replay/" .. name or kind == "replay" and "deliver/" .. name or nil
end

-- Since when, or from when on, an unleased member is due (ms); nil where it is not.
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

-- How many deliveries of an endpoint are leased, and when the first of these leases ends.
local function leased_of_endpoint(lane)
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

-- Lanes that want a worker before the sweep would look by itself, and were not kicked -> when.
local soon = {}

-- Records when a lane next wants a worker, or since when it does: when its first member is due or its first lease ends, whichever is
-- sooner. A lane whose `capacity` is used up waits for a lease to end, one with `not_before` (a breaker, a rate, Retry-After) until
-- then, one with `probe_until` for the probe that is under way. A `closed` lane wants no worker. What an operator requested waits
-- for none of that. Returns: that time (ms), or nil
local function index_lane(lane)
  local closed, not_before, probe_until, capacity, requested_at =
    unpack(redis.call("HMGET", k("lane", lane), "closed", "not_before", "probe_until", "capacity", "requested_at"))
  local at = tonumber(requested_at)
  if not at and not closed then
    at = score(redis.call("ZRANGE", k("due", lane), 0, 0, "WITHSCORES"))
    if at then
      at = math.max(at, tonumber(not_before or 0), tonumber(probe_until or 0))
      if capacity then
        local n, ends = leased_of_endpoint(lane)
        if n > 0 and n >= tonumber(capacity) then at = ends end
      end
    end
  end
  if requested_at or not closed then
    local ends = score(redis.call("ZRANGE", k("leased", lane), 0, 0, "WITHSCORES"))
    if ends and (not at or ends < at) then at = ends end
  end
  soon[lane] = at and at < now() + SWEEP_REST_MS and at or nil
  if not at then
    redis.call("ZREM", k("lanes"), lane)
  elseif at > now() then
    redis.call("ZADD", k("lanes"), int(at), lane)
  else
    -- It wants a worker since its oldest member is due, but not since before its pause ended: what piled up behind an endpoint that
    -- was away for days is not late as soon as the endpoint is back (see read_stats.lua).
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

-- Indexes a lane after a change. Returns: the lanes to kick: this one, or none
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

-- Closed lanes want no worker until they are opened.
local function close_lanes(lanes)
  for _, lane in ipairs(lanes) do redis.call("HSET", k("lane", lane), "closed", "1") end
end

local function index_lanes(lanes)
  for _, lane in ipairs(lanes) do index_lane(lane) end
end

-- Lanes whose members were changed and that were not indexed since.
local touched_lanes = {}

index_touched_lanes = function()
  for lane in pairs(touched_lanes) do index_lane(lane) end
end

-- A lane of `soon` may be due before the sweep means to look. Where Redis refuses this, the sweep looks at the end of its rest.
wake_the_sweep = function()
  local first
  for _, at in pairs(soon) do first = math.min(first or at, at) end
  local planned = first and tonumber(redis.call("GET", k("sweep_at")) or nil)
  if not planned or planned <= first then return end
  redis.pcall("SET", k("sweep_at"), int(first))
  redis.pcall("XADD", k("wake"), "MAXLEN", 1, "*", "at", int(first))
end

-- Indexes these lanes (a set) after what is in them has changed, and those that share their capacity. Returns: those to kick
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

-- Ends leases of a lane. A member is due again at `due[member]` (nil: it is not), or at the time it was touched while leased,
-- whichever is sooner.
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
  redis.call("ZREM", k("leased", lane), unpack(members))  -- last: where Redis refuses one of these, the lease ends in time
end

local function release(lane, member, at)
  release_all(lane, {member}, {[member] = at})
end

-- Makes members due at `at`, or leaves those where they are that are due sooner. One that is leased stays so, and is due after that.
local function touch_all(lane, members, at)
  if #members == 0 then return end
  touched_lanes[lane] = true
  local tokens, time, due, touched = redis.call("HMGET", k("tokens", lane), unpack(members)), int(at), {"LT"}, {"LT"}
  for i, member in ipairs(members) do
    local some = tokens[i] and touched or due
    some[#some + 1] = time
    some[#some + 1] = member
  end
  if #due > 1 then redis.call("ZADD", k("due", lane), unpack(due)) end
  if #touched > 1 then redis.call("ZADD", k("touched", lane), unpack(touched)) end
end

local function touch(lane, member, at)
  touch_all(lane, {member}, at)
end

-- Takes a member out, also one that is leased: its worker finds that its fencing token is gone.
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
