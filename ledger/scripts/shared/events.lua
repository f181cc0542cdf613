-- Events, and a delivery for each endpoint that wants one.
-- uses: lanes

-- Whether a subscription ("ordered type type …") covers a type of event.
local function wants(subscription, kind)
  for chosen in string.gmatch(subscription, "%S+") do
    if chosen == kind or chosen == "*" or (chosen == "payment.*" and string.sub(kind, 1, 8) == "payment.") then return true end
  end
  return false
end

-- Whether an event is of a payment of a test channel. Its body says so, in the place where schemas/payments/events.py puts it: inside
-- of a text, quotes would be escaped.
local function is_of_test_channel(event)
  local body = redis.call("HGET", k("evt", event), "body")
  return body and string.find(body, '"sandbox":true,"detail":', 1, true) ~= nil
end

-- Whether an event is of a payment that does not exist for its merchant: of a test channel, which it does not include (any more).
local function is_hidden(event, m)
  return redis.call("HGET", k("merchant", m), "include_sandbox") ~= "1" and is_of_test_channel(event)
end

-- Lists a delivery under another state.
local function relist(id, ep, from, to, created)
  list(k("dlvs", "s", ep .. "/" .. from), id, nil)
  list(k("dlvs", "s", ep .. "/" .. to), id, created)
end

local function set_state(id, ep, from, to)
  redis.call("HSET", k("dlv", id), "state", to)
  relist(id, ep, from, to, redis.call("HGET", k("dlv", id), "created_at") or int(now()))
end

-- Lists a delivery that is pending.
local function list_delivery(id, ep, at)
  list(k("dlvs"), id, at)
  list(k("dlvs", "e", ep), id, at)
  list(k("dlvs", "s", ep .. "/pending"), id, at)
end

-- A delivery of an event to an endpoint, not yet in any lane. Answer: its id, or nil where it is there already.
local function create_delivery(event, ep, m, imp, kind, sequence, replay)
  local id = event .. "." .. ep
  if redis.call("EXISTS", k("dlv", id)) == 1 then return nil end
  local at = int(now())
  redis.call("SADD", k("dlvs", "v", event), ep)
  redis.call("HSET", k("dlv", id), "event", event, "endpoint", ep, "merchant", m, "imp_uid", imp, "type", kind,
    "sequence", sequence, "state", "pending", "attempts", "0", "next_at", at, "reason", "", "created_at", at, "replay", replay)
  list_delivery(id, ep, at)
  return id
end

-- A live delivery that is there already, though its event is recorded only now: a script before this one ended between the two,
-- and may not have brought the delivery into its lane. Answer: its id, or nil where it is over, is being sent, or a replay has it
local function unfinished_delivery(event, ep, sequence)
  local id = event .. "." .. ep
  local state, rpl, created = unpack(redis.call("HMGET", k("dlv", id), "state", "replay_id", "created_at"))
  if state ~= "pending" or rpl or redis.call("HEXISTS", k("tokens", "deliver/" .. ep), id) == 1 then return nil end
  redis.call("HSET", k("dlv", id), "sequence", sequence)
  list_delivery(id, ep, created)
  return id
end

-- The next delivery of the same payment goes into the lane; it is told if the one before it died. Its lane is added to `lanes` (a set).
local function advance(lanes, id, ep, p, died)
  local chain = k("chain", ep .. "/" .. p)
  if not redis.call("ZSCORE", chain, id) then return end
  local first, second = unpack(redis.call("ZRANGE", chain, 0, 1))
  local following = first == id and second or first
  if following ~= id then
    redis.call("HSET", k("dlv", following), "next_at", int(now()))
    if died then redis.call("HSET", k("dlv", following), "sent_after", id) end
    touch("deliver/" .. ep, following, now())
    lanes["deliver/" .. ep] = true
  end
  redis.call("ZREM", chain, id)  -- last: where Redis refuses one of these, this is done again
end

-- Records an event and puts a delivery into the lane of each endpoint that wants it; adds to `lanes` (a set) those that got one.
-- At an ordered endpoint only the first unsettled delivery of a payment is in the lane. An endpoint never hears `about` itself.
-- Events of one step are listed in its order, though they share a millisecond. `snap` is the version under which `snaps:p` has
-- i'mport's object, which `body` then lacks.
local recorded = 0
local function record(lanes, subs, m, imp, event, kind, sequence, silent, body, about, snap)
  local at = int(now())
  local place = string.format("%s.%03d", at, math.min(recorded, 999))
  recorded = recorded + 1
  redis.call("HSET", k("evt", event), "body", body, "merchant", m, "imp_uid", imp, "type", kind, "sequence", sequence,
    "recorded_at", at, "silent", silent and "1" or "0")
  if about then redis.call("HSET", k("evt", event), "about", about) end
  if snap then redis.call("HSET", k("evt", event), "snap", snap) end
  list(k("evts"), event, place)
  list(k("evts", "m", m), event, place)
  list(k("evts", "t", kind), event, place)
  if imp ~= "" then list(k("evts", "p", m .. "/" .. imp), event, sequence) end
  if silent then return end
  for i = 1, #subs, 2 do
    local ep, subscription = subs[i], subs[i + 1]
    if ep ~= about and wants(subscription, kind) then
      local id = create_delivery(event, ep, m, imp, kind, sequence, "0") or unfinished_delivery(event, ep, sequence)
      local head = true
      if id and imp ~= "" and string.sub(subscription, 1, 1) == "1" then
        local chain = k("chain", ep .. "/" .. m .. "/" .. imp)
        redis.call("ZADD", chain, sequence, id)
        head = redis.call("ZRANGE", chain, 0, 0)[1] == id
      end
      if id and head then
        touch("deliver/" .. ep, id, now())
        lanes["deliver/" .. ep] = true
      end
    end
  end
end

