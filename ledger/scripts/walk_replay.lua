-- Walks through recorded events, the oldest first, and decides for each endpoint whether an event is to be sent (again). Then it goes
-- into the endpoint's replay lane; the replay's cursor moves in the same step, so nothing is ever queued twice. The events of one
-- millisecond are taken together: so a time will do as the cursor.
-- ARGV: replay ("" to count only), cursor and until (ms; both excluded), merchant (or ""), endpoint (or ""),
--       only ("undelivered", "dead", "all"), silent ones too (0 or 1), most events, most deliveries (about),
--       how many types of events, (type, filters that cover it)…
-- Returns: {lanes to kick, {1 when there is nothing more to walk else 0, cursor, deliveries found}}
-- uses: events lanes outbox reasons replays

local rpl, cursor, till, merchant, chosen_ep = take_text(), take(), take(), take_text(), take_text()
local only, with_silent, most, budget = take(), take_flag(), take_number(), take_number()
local types, filters_of = take_rows(2), {}
for i = 1, #types, 2 do filters_of[types[i]] = types[i + 1] end
local replay = rpl and k("replay", rpl)

if rpl then
  local state, walked, at = unpack(redis.call("HMGET", replay, "state", "walked", "cursor"))
  if state ~= "running" or walked == "1" then return {{}, {1, cursor, 0}} end
  cursor = at
end

local index = merchant and k("evts", "m", merchant) or k("evts")
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

-- The first write is one that Redis refuses when it is full: then nothing has happened.
if rpl then redis.call("HSET", replay, "cursor", cursor) end

local subscribed = {}
local function subscriptions(m)
  if not subscribed[m] then
    if chosen_ep then
      local subscription = redis.call("HGET", k("subs", m), chosen_ep)
      subscribed[m] = subscription and {chosen_ep, subscription} or {}
    else
      subscribed[m] = redis.call("HGETALL", k("subs", m))
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
local function queue(e, ep, state)
  local id = e.event .. "." .. ep
  if state then
    local reason = redis.call("HGET", k("dlv", id), "reason") or ""
    set_state(id, ep, state, "pending")
    set_delivery(id, "attempts", "0", "next_at", int(now()), "reason", because("replayed_again", {replay = rpl}), "replay", "1",
      "replay_id", rpl, "state_before", state, "reason_before", reason)
  else
    create_delivery(e, ep, "1")
    set_delivery(id, "replay_id", rpl, "reason", because("replayed", {replay = rpl}))
  end
  redis.call("SADD", k("replaying", rpl), id)
  touch("replay/" .. ep, id, now())
  lanes["replay/" .. ep] = true
end

local function decide(event)
  local m, imp, type_, sequence, silent, about =
    unpack(redis.call("HMGET", k("evt", event), "merchant", "imp_uid", "type", "sequence", "silent", "about"))
  local filters = filters_of[type_]
  if not filters or (silent == "1" and not with_silent) then return end
  local subs = subscriptions(m)
  if #subs > 0 and is_hidden(event, m) then return end
  local e = {event = event, m = m, imp = imp, type = type_, sequence = sequence}
  for i = 1, #subs, 2 do
    local ep = subs[i]
    if ep ~= about and subscribes(subs[i + 1], filters) then
      local state = redis.call("HGET", k("dlv", event .. "." .. ep), "state")
      if is_wanted(state) then
        found = found + 1
        if rpl then queue(e, ep, state) end
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
if not rpl then return {{}, answer} end

mark_changed("replay", rpl)
  redis.call("HSET", replay, "cursor", cursor, "walked", is_end and "1" or "0")
if found > 0 then
  redis.call("HINCRBY", replay, "queued", found)
  redis.call("HSET", replay, "queued_at", int(now()))
end
if is_end then end_replay(rpl) end
return {announce(lanes), answer}
