-- A notification that waits for a refresh is a field `n:{id}` of its payment's row: "received:entry", or "received traceparent:entry" if it
-- is traced. The entry is the one for the outbox, as a receiver has packed it. A settled notification becomes a field `s:{id}`: its entry
-- with the outcome, which is written again to a history that came back with an old copy. It leaves with the payment.

-- Removes notifications (id, entry, …) of a payment from those that wait, and the reason why they had to wait.
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
