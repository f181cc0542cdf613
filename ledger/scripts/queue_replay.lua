-- Queues the events that a replay has selected in its endpoints' replay lanes. The same step moves the replay's cursor, which must still
-- be where it was at the selection, so nothing is ever queued twice. Deliveries that are pending by now are left alone.
-- ARGV: replay, cursor before, cursor after, whether nothing is left to select (0 or 1), how many,
--       (event, endpoint, merchant)…
-- Returns: {lanes to kick, how many were queued; or "moved" if the cursor has moved since, or the replay no longer runs}
-- uses: deliveries events lanes outbox reasons replays rows
local COLUMNS = 3
local rpl, before, after, is_end, selected = take(), take(), take(), take(), take_rows(COLUMNS)
local replay = k("replay", rpl)
local state, walked, cursor = unpack(redis.call("HMGET", replay, "state", "walked", "cursor"))
if state ~= "running" or walked == "1" or cursor ~= before then return {{}, "moved"} end

-- A full Redis refuses this first write, and then nothing has happened.
redis.call("HSET", replay, "cursor", after, "walked", is_end)
mark_changed("replay", rpl)

local found, lanes = 0, {}
local function queue(e, ep)
  local id = e.id .. "." .. ep
  local d = delivery(id)
  if d and d.state == "pending" then return end
  if d then
    d.state_before, d.reason_before = d.state, d.reason
    d.state, d.attempts, d.next_at, d.reason = "pending", "0", int(now()), because("replayed_again", {replay = rpl})
  else
    d = new_delivery(e, ep)
    d.reason = because("replayed", {replay = rpl})
  end
  d.replay, d.replay_id = "1", rpl
  save(d)
  redis.call("SADD", k("replaying", rpl), id)
  touch("replay/" .. ep, id, now())
  lanes["replay/" .. ep] = true
  found = found + 1
end

local events = {}
for i = 1, #selected, COLUMNS do events[#events + 1] = selected[i] end
find_rows(events)
for i = 1, #selected, COLUMNS do
  local event, ep, m = unpack(selected, i, i + COLUMNS - 1)
  local e = redis.call("HEXISTS", k("subs", m), ep) == 1 and event_of(event)
  if e and not is_hidden(e) then queue(e, ep) end
end

if found > 0 then
  redis.call("HINCRBY", replay, "queued", found)
  redis.call("HSET", replay, "queued_at", int(now()))
end
if is_end == "1" then end_replay(rpl) end
return {announce(lanes), found}
