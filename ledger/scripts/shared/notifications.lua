-- Notifications that wait for a refresh: fields `n:{id}` of their payment's row, each "received:entry", the entry of the outbox as a
-- receiver has packed it, or "received traceparent:entry" of one that is traced. One that is settled becomes a field `s:{id}`, its entry with what became of it: no script reads it again,
-- but a history that came back with an old copy is given it. It leaves with the payment.

-- The ids of the notifications that wait for a payment, in no order.
local function waiting_for(p)
  local ids = {}
  for _, field in ipairs(redis.call("HKEYS", k("pay", p))) do
    if string.sub(field, 1, 2) == "n:" then ids[#ids + 1] = string.sub(field, 3) end
  end
  return ids
end

-- These notifications (id, entry, …) of a payment wait no more; with them goes why they had to.
local function remove_waiting(p, answered)
  if #answered == 0 then return end
  local fields = {"trouble"}
  for i = 1, #answered, 2 do fields[#fields + 1] = "n:" .. answered[i] end
  with_all("HDEL", k("pay", p), fields)
end

-- Adds settled notifications (id, entry, …) to the fields (field, value, …) with which their row is written.
local function put_settled(answered, fields)
  for i = 1, #answered, 2 do
    fields[#fields + 1] = "s:" .. answered[i]
    fields[#fields + 1] = answered[i + 1]
  end
end
