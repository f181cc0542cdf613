-- Ends the lease of a payment that could not be refreshed or that i'mport does not know. The payment is due again later, or given up.
-- ARGV: lane, imp_uid, token, to lane, due in (ms, or "" for given up), kind ("again", "stalled", "unknown", "rejected", or
--       "hidden": rejected because it does not exist for the merchant), reason (of the rejection, or why this one payment cannot be
--       refreshed, which is shown with its waiting notifications; or ""), tries including this one, when the look-up began (ms; "hidden"),
--       how many notifications had come before it, (id, entry with the outcome, or "" if they wait on)…
-- Returns: {lanes to kick}; none for a lease that was lost
-- uses: lanes leases notifications outbox payments
local HIDDEN_MS = 86400000

local lane, imp, token, to, due_in, kind, reason, tries, looked_up_at, waiting =
  take(), take(), take(), take(), take_number(), take(), take(), take(), take(), take_rows(2)
local m = name_of(lane)
local p = m .. "/" .. imp
if not holds(lane, imp, token) then return {{}} end
redis.call("HDEL", k("tries", lane), imp)  -- first: a full Redis allows this command, and then all commands after it
if kind == "rejected" or kind == "hidden" then
  if kind == "hidden" then redis.call("SET", k("hidden", p), looked_up_at, "PX", HIDDEN_MS) end
  for i = 2, #waiting, 2 do append_entry(waiting[i]) end
  append_to_outbox()
  local settled = {}
  put_settled(waiting, settled)
  with_all("HSET", k("pay", p), settled)
  remove_waiting(p, waiting)
  if #waiting > 0 then list(k("ageing"), p, int(now())) end
  redis.call("SREM", k("silent", lane), imp)
end
release(lane, imp, due_in and now() + due_in)
if to ~= lane and redis.call("SREM", k("silent", lane), imp) == 1 then redis.call("SADD", k("silent", to), imp) end
move(lane, to, imp)
if kind ~= "rejected" and kind ~= "hidden" then
  redis.call("HSET", k("tries", to), imp, tries)
  if kind == "stalled" then redis.call("ZADD", k("stalled", to), int(now()), imp) end
  if reason ~= "" and #waiting > 0 then redis.call("HSET", k("pay", p), "trouble", reason) end
end
-- An unknown payment waits for its turn, even if webhooks about it have come meanwhile.
if to == "unknown/" .. m then redis.call("ZADD", k("due", to), "XX", "GT", int(now() + UNKNOWN_EVERY), imp) end
end_turn(lane, token)
return {announce({[lane] = true, [to] = true})}
