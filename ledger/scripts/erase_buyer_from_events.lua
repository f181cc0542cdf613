-- Writes some events of a payment anew, without its buyer: also the objects that they show, attempts and notifications. The new objects
-- wait beside the old ones, because others may be stored as differences from these, until erase_buyer_from_record.lua replaces all at once.
-- ARGV: merchant, imp_uid, how many events, (id, body)…, how many objects, (version, i'mport's object)…,
--       how many deliveries, then per delivery: id, how many attempts, (JSON)…, how many notifications, (field, value)…
-- Returns: 1
-- uses: deliveries rows
local p = take() .. "/" .. take()
local key, events, objects, fields = k("pay", p), take_rows(2), take_rows(2), {}
for i = 1, #events, 2 do
  local e = event_of(events[i])
  if e then
    e.body = events[i + 1]
    fields[#fields + 1], fields[#fields + 2] = "e:" .. e.id, packed(EVENT, e)
  end
end
with_all("HSET", key, fields)
local blank = {}
for i = 1, #objects, 2 do blank[i], blank[i + 1] = "b:" .. objects[i], objects[i + 1] end
with_all("HSET", key, blank)
for _ = 1, take_number() do
  local d, attempts = delivery(take()), take_rows(1)
  if d then
    d.log = attempts
    rewrite(d)
  end
end
local notifications = take_rows(2)
for i = 1, #notifications, 2 do
  local field = notifications[i]
  if redis.call("HEXISTS", k("pay", p), field) == 1 then redis.call("HSET", k("pay", p), field, notifications[i + 1]) end
end
return 1
