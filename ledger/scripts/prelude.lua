-- Put before every script. KEYS[1] is the prefix of all keys; see ledger/keys.py for what they hold.

local prefix = KEYS[1]

local function k(...)
  return prefix .. table.concat({...}, ":")
end

local clock
local function now()
  if not clock then
    local time = redis.call("TIME")
    clock = time[1] * 1000 + math.floor(time[2] / 1000)
  end
  return clock
end

-- Times and counters as text: Lua's own way would write 1.7951e+12.
local function int(number)
  return string.format("%.0f", number)
end

local function score(answer)
  return answer[2] and tonumber(answer[2])
end

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

-- Notes when a lane next wants a worker: when its first member is due or its first lease ends, whichever is sooner. A lane whose
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
  if at then redis.call("ZADD", k("lanes"), int(at), lane) else redis.call("ZREM", k("lanes"), lane) end
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

local function lease(lane, member, token, ms)
  redis.call("ZADD", k("leased", lane), int(now() + ms), member)
  redis.call("HSET", k("tokens", lane), member, token)
  redis.call("ZREM", k("due", lane), member)
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

-- The lane in which a payment waits: one that i'mport did not know stays in the slow one.
local function lane_of(m, imp)
  local unknown = "unknown/" .. m
  if redis.call("ZSCORE", k("due", unknown), imp) or redis.call("HEXISTS", k("tokens", unknown), imp) == 1 then
    return unknown
  end
  return "refresh/" .. m
end

-- A look at a payment, soon: an unknown one is looked at once a second at most.
local function mark(m, imp, at)
  local lane = lane_of(m, imp)
  if lane == "unknown/" .. m then at = math.max(at, now() + 1000) end
  touch(lane, imp, at)
  return lane
end

-- Whether a subscription ("ordered type type …") covers a type of event.
local function wants(subscription, kind)
  for chosen in string.gmatch(subscription, "%S+") do
    if chosen == kind or chosen == "*" or (chosen == "payment.*" and string.sub(kind, 1, 8) == "payment.") then return true end
  end
  return false
end

local function set_state(id, ep, from, to)
  redis.call("HSET", k("dlv", id), "state", to)
  local created = redis.call("ZSCORE", k("dlvs", "e", ep), id) or int(now())
  if from then redis.call("ZREM", k("dlvs", "s", ep .. "/" .. from), id) end
  redis.call("ZADD", k("dlvs", "s", ep .. "/" .. to), created, id)
end

-- A delivery of an event to an endpoint, not yet in any lane. Answer: its id, or nil where it is there already.
local function create_delivery(event, ep, m, imp, kind, sequence, replay)
  local id = event .. "." .. ep
  if redis.call("EXISTS", k("dlv", id)) == 1 then return nil end
  local at = int(now())
  redis.call("HSET", k("dlv", id), "event", event, "endpoint", ep, "merchant", m, "imp_uid", imp, "type", kind,
    "sequence", sequence, "attempts", "0", "next_at", at, "reason", "", "created_at", at, "replay", replay)
  redis.call("ZADD", k("dlvs"), at, id)
  redis.call("ZADD", k("dlvs", "e", ep), at, id)
  redis.call("SADD", k("dlvs", "v", event), ep)
  set_state(id, ep, nil, "pending")
  return id
end

-- A replay is done when it has walked past its last event and none of its deliveries is left.
local function end_replay(rpl)
  local state, walked = unpack(redis.call("HMGET", k("replay", rpl), "state", "walked"))
  if state == "running" and walked == "1" and redis.call("SCARD", k("replaying", rpl)) == 0 then
    redis.call("HSET", k("replay", rpl), "state", "done", "ended_at", int(now()))
  end
end

-- A delivery that a replay had queued came to an end: its replay counts it as "delivered" or "failed", once.
local function count_replayed(id, what)
  local rpl = redis.call("HGET", k("dlv", id), "replay_id")
  if not rpl then return end
  redis.call("HDEL", k("dlv", id), "replay_id", "state_before", "reason_before")
  redis.call("HSET", k("dlv", id), "replay", "0")
  redis.call("SREM", k("replaying", rpl), id)
  if redis.call("EXISTS", k("replay", rpl)) == 1 then
    redis.call("HINCRBY", k("replay", rpl), what, 1)
    end_replay(rpl)
  end
end

-- Records an event and puts a delivery into the lane of each endpoint that wants it. Answer: the lanes that got one.
-- At an ordered endpoint only the first unsettled delivery of a payment is in the lane. An endpoint never hears `about` itself.
-- Events of one step are listed in its order, though they share a millisecond.
local recorded = 0
local function record(subs, m, imp, event, kind, sequence, silent, body, about)
  local at, lanes = int(now()), {}
  local place = string.format("%s.%03d", at, math.min(recorded, 999))
  recorded = recorded + 1
  redis.call("HSET", k("evt", event), "body", body, "merchant", m, "imp_uid", imp, "type", kind, "sequence", sequence,
    "recorded_at", at, "silent", silent and "1" or "0")
  if about then redis.call("HSET", k("evt", event), "about", about) end
  redis.call("ZADD", k("evts"), place, event)
  redis.call("ZADD", k("evts", "m", m), place, event)
  redis.call("ZADD", k("evts", "t", kind), place, event)
  if imp ~= "" then redis.call("ZADD", k("evts", "p", m .. "/" .. imp), sequence, event) end
  if silent then return lanes end
  for i = 1, #subs, 2 do
    local ep, subscription = subs[i], subs[i + 1]
    if ep ~= about and wants(subscription, kind) then
      local id = create_delivery(event, ep, m, imp, kind, sequence, "0")
      local head = true
      if id and imp ~= "" and string.sub(subscription, 1, 1) == "1" then
        local chain = k("chain", ep .. "/" .. m .. "/" .. imp)
        redis.call("ZADD", chain, sequence, id)
        head = redis.call("ZRANGE", chain, 0, 0)[1] == id
      end
      if id and head then
        touch("deliver/" .. ep, id, now())
        lanes[#lanes + 1] = "deliver/" .. ep
      end
    end
  end
  return lanes
end

-- Counts something that happened, by the minute, for two days.
local function count(what, n)
  local minute = k("minute", int(math.floor(now() / 60000)))
  redis.call("HINCRBY", minute, what, n)
  redis.call("EXPIRE", minute, 172800)
end

-- What became of a notification.
local function settle_notification(id, p, outcome, reason)
  redis.call("ZREM", k("waiting", p), id)
  local received = redis.call("HGET", k("ntf", id), "received_at")
  if not received then return end
  redis.call("HSET", k("ntf", id), "outcome", outcome, "reason", reason)
  redis.call("ZREM", k("ntfs", "o", "pending"), id)
  redis.call("ZADD", k("ntfs", "o", outcome), received, id)
end

-- Cancellations that webhooks spoke of before a claim with this token: a look has seen them. Later ones stay.
local function forget_claims(p, token)
  local claims = redis.call("HGETALL", k("claims", p))
  for i = 1, #claims, 2 do
    if tonumber(claims[i + 1]) <= tonumber(token) then redis.call("HDEL", k("claims", p), claims[i]) end
  end
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

-- The same by the day, for a month.
local function count_day(what, n)
  local day = k("day", int(math.floor(now() / 86400000)))
  redis.call("HINCRBY", day, what, n)
  redis.call("EXPIRE", day, 2678400)
end

-- Removes an event with its deliveries and their attempts.
local function forget_event(event)
  local row = redis.call("HMGET", k("evt", event), "merchant", "type")
  for _, ep in ipairs(redis.call("SMEMBERS", k("dlvs", "v", event))) do
    local id = event .. "." .. ep
    local state = redis.call("HGET", k("dlv", id), "state")
    redis.call("DEL", k("dlv", id), k("att", id))
    redis.call("ZREM", k("dlvs"), id)
    redis.call("ZREM", k("dlvs", "e", ep), id)
    if state then redis.call("ZREM", k("dlvs", "s", ep .. "/" .. state), id) end
  end
  redis.call("DEL", k("evt", event), k("dlvs", "v", event))
  redis.call("ZREM", k("evts"), event)
  if row[1] then redis.call("ZREM", k("evts", "m", row[1]), event) end
  if row[2] then redis.call("ZREM", k("evts", "t", row[2]), event) end
end

-- Removes a notification that is settled.
local function forget_notification(id)
  local row = redis.call("HMGET", k("ntf", id), "merchant", "imp_uid", "outcome")
  if not row[1] then return end
  redis.call("DEL", k("ntf", id))
  redis.call("ZREM", k("ntfs"), id)
  redis.call("ZREM", k("ntfs", "m", row[1]), id)
  redis.call("ZREM", k("ntfs", "p", row[1] .. "/" .. row[2]), id)
  redis.call("ZREM", k("ntfs", "o", row[3]), id)
end

