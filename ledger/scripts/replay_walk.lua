-- Walks through recorded events, the oldest first, and decides for each endpoint whether an event is to be sent (again).
-- What is goes into the endpoint's replay lane; the replay's cursor moves in the same step, so nothing is ever queued twice.
-- The events of one millisecond are taken together: so a time will do as the cursor.
--
-- ARGV: replay ("" to count only), cursor and until (ms; both excluded), merchant, endpoint ("" for all), types ("" for all),
--       only ("undelivered", "dead", "all"), silent ones too (0 or 1), most events, most deliveries (about)
-- Answer: {1 when there is nothing more to walk, cursor, deliveries found, lanes to kick…}
-- uses: events lanes reasons replays

local rpl, cursor, till = ARGV[1], ARGV[2], ARGV[3]
local merchant, chosen_ep, types, only, with_silent = ARGV[4], ARGV[5], ARGV[6], ARGV[7], ARGV[8] == "1"
local most, budget = tonumber(ARGV[9]), tonumber(ARGV[10])
local replay = k("replay", rpl)

if rpl ~= "" then
  local state, walked, at = unpack(redis.call("HMGET", replay, "state", "walked", "cursor"))
  if state ~= "running" or walked == "1" then return {1, cursor, 0} end
  cursor = at
end

local index = merchant ~= "" and k("evts", "m", merchant) or k("evts")
local events = redis.call("ZRANGEBYSCORE", index, "(" .. cursor, "(" .. till, "WITHSCORES", "LIMIT", 0, most)
local is_last = #events < most * 2
if not is_last then
  local last = events[#events]
  while events[#events] == last do
    events[#events] = nil
    events[#events] = nil
  end
  for _, part in ipairs(redis.call("ZRANGEBYSCORE", index, last, last, "WITHSCORES")) do events[#events + 1] = part end
end

-- The first write is one that Redis may refuse when it is full: then nothing has happened.
if rpl ~= "" then redis.call("HSET", replay, "cursor", cursor) end

local subscribed = {}
local function subscriptions(m)
  if not subscribed[m] then
    if chosen_ep == "" then
      subscribed[m] = redis.call("HGETALL", k("subs", m))
    else
      local subscription = redis.call("HGET", k("subs", m), chosen_ep)
      subscribed[m] = subscription and {chosen_ep, subscription} or {}
    end
  end
  return subscribed[m]
end

local function is_wanted(state)
  if state == "pending" then return false end
  if only == "dead" then return state == "dead" end
  return only == "all" or state ~= "delivered"
end

local found, lanes = 0, {}
local function queue(id, state, event, ep, m, imp, kind, sequence)
  if state then
    local reason = redis.call("HGET", k("dlv", id), "reason") or ""
    set_state(id, ep, state, "pending")
    redis.call("HSET", k("dlv", id), "attempts", "0", "next_at", int(now()), "reason", because("replayed_again", {replay = rpl}), "replay", "1",
      "replay_id", rpl,
      "state_before", state, "reason_before", reason)
  else
    create_delivery(event, ep, m, imp, kind, sequence, "1")
    redis.call("HSET", k("dlv", id), "replay_id", rpl, "reason", because("replayed", {replay = rpl}))
  end
  redis.call("SADD", k("replaying", rpl), id)
  touch("replay/" .. ep, id, now())
  lanes["replay/" .. ep] = true
end

local function decide(event)
  local m, imp, kind, sequence, silent, about =
    unpack(redis.call("HMGET", k("evt", event), "merchant", "imp_uid", "type", "sequence", "silent", "about"))
  -- A test event was for one endpoint and one moment.
  if not m or kind == "relay.test" or (silent == "1" and not with_silent) then return end
  if types ~= "" and not wants(types, kind) then return end
  local subs = subscriptions(m)
  if #subs > 0 and imp ~= "" and is_hidden(event, m) then return end
  for i = 1, #subs, 2 do
    local ep = subs[i]
    if ep ~= about and wants(subs[i + 1], kind) then
      local id = event .. "." .. ep
      local state = redis.call("HGET", k("dlv", id), "state")
      if is_wanted(state) then
        found = found + 1
        if rpl ~= "" then queue(id, state, event, ep, m, imp, kind, sequence) end
      end
    end
  end
end

local at = 1
while at < #events do
  if events[at + 1] ~= cursor and found >= budget then break end
  cursor = events[at + 1]
  decide(events[at])
  at = at + 2
end
local is_end = is_last and at > #events
local answer = {is_end and 1 or 0, cursor, found}
if rpl == "" then return answer end

redis.call("HSET", replay, "cursor", cursor, "walked", is_end and "1" or "0")
if found > 0 then
  redis.call("HINCRBY", replay, "queued", found)
  redis.call("HSET", replay, "queued_at", int(now()))
end
if is_end then end_replay(rpl) end
for _, lane in ipairs(announce(lanes)) do answer[#answer + 1] = lane end
return answer
