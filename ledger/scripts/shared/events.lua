-- Events, and a delivery for each endpoint that subscribes to one.
-- uses: chains lanes outbox

-- Whether a subscription ("ordered filter filter …") has one of the filters that cover an event ("filter filter …").
local function subscribes(subscription, filters)
  for filter in string.gmatch(filters, "%S+") do
    if string.find(subscription .. " ", " " .. filter .. " ", 1, true) then return true end
  end
  return false
end

-- Whether an event is of a payment that does not exist for its merchant: of a test channel, which it does not include (any more).
local function is_hidden(event, m)
  return redis.call("HGET", k("evt", event), "sandbox") == "1" and redis.call("HGET", k("merchant", m), "include_sandbox") ~= "1"
end

-- Lists a delivery under another state.
local function relist(id, ep, from, to, created)
  list(k("dlvs", "s", ep .. "/" .. from), id, nil)
  list(k("dlvs", "s", ep .. "/" .. to), id, created)
end

local function set_state(id, ep, from, to)
  set_delivery(id, "state", to)
  relist(id, ep, from, to, redis.call("HGET", k("dlv", id), "created_at") or int(now()))
end

-- Ends a delivery for a reason. `created`: when it was created, where the caller has read that.
local function end_delivery(id, ep, from, to, reason, created)
  set_delivery(id, "state", to, "next_at", "", "reason", reason)
  relist(id, ep, from, to, created or redis.call("HGET", k("dlv", id), "created_at") or int(now()))
end

-- Lists a delivery that is pending.
local function list_delivery(id, ep, at)
  list(k("dlvs"), id, at)
  list(k("dlvs", "e", ep), id, at)
  list(k("dlvs", "s", ep .. "/pending"), id, at)
end

-- A delivery of an event (event m imp type sequence) to an endpoint, not yet in any lane. Returns: its id, or nil where it exists
local function create_delivery(e, ep, replay)
  local id = e.event .. "." .. ep
  if redis.call("EXISTS", k("dlv", id)) == 1 then return nil end
  local at = int(now())
  redis.call("SADD", k("dlvs", "v", e.event), ep)
  set_delivery(id, "event", e.event, "endpoint", ep, "merchant", e.m, "imp_uid", e.imp, "type", e.type,
    "sequence", e.sequence, "state", "pending", "attempts", "0", "next_at", at, "reason", "", "created_at", at, "replay", replay)
  list_delivery(id, ep, at)
  return id
end

-- A live delivery that exists, though its event is recorded only now: a script before this one ended between the two, and may not
-- have put the delivery into its lane. Returns: its id, or nil where it is over, is being sent, or a replay has it
local function unfinished_delivery(e, ep)
  local id = e.event .. "." .. ep
  local state, rpl, created = unpack(redis.call("HMGET", k("dlv", id), "state", "replay_id", "created_at"))
  if state ~= "pending" or rpl or is_leased("deliver/" .. ep, id) then return nil end
  set_delivery(id, "sequence", e.sequence)
  list_delivery(id, ep, created)
  return id
end

-- Puts the next delivery of the same payment into the lane; if the one before it is dead, its reason says so. Adds the lane to `lanes`.
local function advance(lanes, id, ep, m, imp, died)
  local chain = chain_of(ep, m, imp)
  if not redis.call("ZSCORE", chain, id) then return end
  local first, second = unpack(redis.call("ZRANGE", chain, 0, 1))
  local following = first == id and second or first
  if following ~= id then
    set_delivery(following, "next_at", int(now()))
    if died then set_delivery(following, "sent_after", id) end
    touch("deliver/" .. ep, following, now())
    lanes["deliver/" .. ep] = true
  end
  redis.call("ZREM", chain, id)  -- last: where Redis refuses one of these, this is done again
end

-- Creates the delivery of an event to an endpoint and puts it into the lane, added to `lanes` (a set). At an `ordered` endpoint only
-- the first unsettled delivery of a payment is in the lane.
local function deliver(lanes, e, ep, ordered)
  local id = create_delivery(e, ep, "0") or unfinished_delivery(e, ep)
  if not id then return end
  if ordered and e.imp ~= "" then
    local chain = chain_of(ep, e.m, e.imp)
    redis.call("ZADD", chain, e.sequence, id)
    if redis.call("ZRANGE", chain, 0, 0)[1] ~= id then return end
  end
  touch("deliver/" .. ep, id, now())
  lanes["deliver/" .. ep] = true
end

-- Records an event: event (its id) m imp type sequence silent sandbox body entry (for history); `about`, the endpoint that an endpoint.* event is about;
-- `snap`, the version under which `snaps:p` has i'mport's object, which `body` then lacks. Events of one script are listed in its
-- order, though they share a millisecond.
local events_recorded = 0
local function record_event(e)
  local at = int(now())
  append_entry(e.entry, {merchant = e.m, recorded_at = now(), silent = e.silent or false})
  local place = string.format("%s.%03d", at, math.min(events_recorded, 999))
  events_recorded = events_recorded + 1
  redis.call("HSET", k("evt", e.event), "body", e.body, "merchant", e.m, "imp_uid", e.imp, "type", e.type, "sequence", e.sequence,
    "recorded_at", at, "silent", e.silent and "1" or "0", unpack(e.sandbox and {"sandbox", "1"} or {}))
  if e.about then redis.call("HSET", k("evt", e.event), "about", e.about) end
  if e.snap then redis.call("HSET", k("evt", e.event), "snap", e.snap) end
  list(k("evts"), e.event, place)
  list(k("evts", "m", e.m), e.event, place)
  list(k("evts", "t", e.type), e.event, place)
  if e.imp ~= "" then list(k("evts", "p", e.m .. "/" .. e.imp), e.event, e.sequence) end
end

-- Delivers an event, unless it is silent, to each endpoint of `subscriptions` (endpoint, subscription, …) that subscribes to one of
-- its `filters`, but not to the endpoint that it is about.
local function deliver_to_subscribers(lanes, e, subscriptions)
  if e.silent then return end
  for i = 1, #subscriptions, 2 do
    local ep, subscription = subscriptions[i], subscriptions[i + 1]
    if ep ~= e.about and subscribes(subscription, e.filters) then
      deliver(lanes, e, ep, string.sub(subscription, 1, 1) == "1")
    end
  end
end
