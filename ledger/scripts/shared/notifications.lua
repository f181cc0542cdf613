-- Notifications that wait for a refresh: fields `n:{id}` of their payment's row, each "received:entry", the entry of the outbox as a
-- receiver has packed it. A notification leaves when it is settled, once the outbox has what became of it.
-- uses: outbox records

-- The ids of the notifications that wait for a payment, in no order.
local function waiting_for(p)
  local ids = {}
  for _, field in ipairs(redis.call("HKEYS", k("pay", p))) do
    if string.sub(field, 1, 2) == "n:" then ids[#ids + 1] = string.sub(field, 3) end
  end
  return ids
end

-- Removes settled notifications of a payment, with why they had to wait.
local function remove_waiting(p, ids)
  if #ids == 0 then return end
  local fields = {"trouble"}
  for i, id in ipairs(ids) do fields[i + 1] = "n:" .. id end
  with_all("HDEL", k("pay", p), fields)
end

-- Rejects notifications of a payment that still wait.
local function reject_waiting(p, ids, reason)
  for _, id in ipairs(ids) do
    local received, entry = string.match(redis.call("HGET", k("pay", p), "n:" .. id) or "", "^(%d+):(.*)$")
    if entry then
      append_entry(entry, {received_at = tonumber(received), outcome = "rejected", reason = reason, revision = revision()})
    end
  end
  append_to_outbox()
  remove_waiting(p, ids)
  if has_record(p) then list(k("ageing"), p, int(now())) end
end
