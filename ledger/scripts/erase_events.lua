-- Writes some events, the objects that they show, attempts and notifications of a payment anew, without its buyer. The objects wait
-- beside the old ones, from which others may be told as differences, until erase_payment.lua has all of them take their place.
-- ARGV: merchant, imp_uid, how many events, (id, body)…, how many objects, (version, i'mport's object)…,
--       how many deliveries, then per delivery: id, how many attempts, (JSON)…, how many notifications, (id)…
-- Returns: 1
-- uses: snapshots
local p = take() .. "/" .. take()
local events, objects = take_rows(2), take_rows(2)
for i = 1, #events, 2 do
  if redis.call("EXISTS", k("evt", events[i])) == 1 then redis.call("HSET", k("evt", events[i]), "body", events[i + 1]) end
end
local blank = k("blank_snaps", p)
for i = 1, #objects, 2 do
  -- It may be there already, where this was done before and broke off.
  if redis.call("HEXISTS", blank, objects[i]) == 0 then store_snapshot(blank, objects[i], objects[i + 1]) end
end
for _ = 1, take_number() do
  local id, attempts = take(), take_rows(1)
  redis.call("DEL", k("att", id))
  with_all("RPUSH", k("att", id), attempts)
end
for _, id in ipairs(take_rows(1)) do
  if redis.call("EXISTS", k("ntf", id)) == 1 then redis.call("HSET", k("ntf", id), "extra", "") end
end
return 1
