-- Queues what a replay has selected: each event goes into the endpoint's replay lane. The replay's cursor moves in the same step, from
-- where it was when this was selected, so nothing is ever queued twice. What is pending by now is left alone.
-- ARGV: replay, cursor before, cursor after, nothing is left to select (0 or 1), how many,
--       (event, endpoint, merchant, imp_uid, type, sequence)…
-- Returns: {lanes to kick, how many were queued; or "moved" where the cursor is another by now, or the replay does not run any more}
-- uses: events lanes outbox reasons replays
local COLUMNS = 6
local rpl, before, after, is_end, rows = take(), take(), take(), take(), take_rows(COLUMNS)
local replay = k("replay", rpl)
local state, walked, cursor = unpack(redis.call("HMGET", replay, "state", "walked", "cursor"))
if state ~= "running" or walked == "1" or cursor ~= before then return {{}, "moved"} end

-- The first write is one that Redis refuses when it is full: then nothing has happened.
redis.call("HSET", replay, "cursor", after, "walked", is_end)
mark_changed("replay", rpl)

local found, lanes = 0, {}
local function queue(e, ep)
  local id = e.event .. "." .. ep
  local was, reason = unpack(redis.call("HMGET", k("dlv", id), "state", "reason"))
  if was == "pending" then return end
  if was then
    set_state(id, ep, was, "pending")
    set_delivery(id, "attempts", "0", "next_at", int(now()), "reason", because("replayed_again", {replay = rpl}), "replay", "1",
      "replay_id", rpl, "state_before", was, "reason_before", reason or "")
  else
    create_delivery(e, ep, "1")
    set_delivery(id, "replay_id", rpl, "reason", because("replayed", {replay = rpl}))
  end
  redis.call("SADD", k("replaying", rpl), id)
  touch("replay/" .. ep, id, now())
  lanes["replay/" .. ep] = true
  found = found + 1
end

for i = 1, #rows, COLUMNS do
  local event, ep, m, imp, type_, sequence = unpack(rows, i, i + COLUMNS - 1)
  local subscription = redis.call("HEXISTS", k("subs", m), ep) == 1
  if subscription and redis.call("EXISTS", k("evt", event)) == 1 and not is_hidden(event, m) then
    queue({event = event, m = m, imp = imp, type = type_, sequence = sequence}, ep)
  end
end

if found > 0 then
  redis.call("HINCRBY", replay, "queued", found)
  redis.call("HSET", replay, "queued_at", int(now()))
end
if is_end == "1" then end_replay(rpl) end
return {announce(lanes), found}
