-- Writes the record of a payment anew, without its buyer, after its events (erase_buyer_from_events.lua), and appends that to the outbox.
-- ARGV: merchant, imp_uid, version it was read at, how many objects its events show, version, record, i'mport's object, entry of the
--       payment, entry of the erasure
-- Returns: "erased", or "changed" if the record or its events were written since they were read
-- uses: lanes outbox payments records
local m, imp, version_before, shown, version, record, object = take(), take(), take(), take_number(), take(), take(), take()
local p = m .. "/" .. imp
local head = head_of(p)
if not head or head.version ~= version_before then return "changed" end
local key = k("pay", p)
local versions, fields, old = names_in(key, "b:"), {}, {}
if #versions < shown then return "changed" end
for _, one in ipairs(versions) do
  fields[#fields + 1], fields[#fields + 2] = "o:" .. one, redis.call("HGET", key, "b:" .. one)
  old[#old + 1] = "b:" .. one
end
if shown > 0 then old[#old + 1], old[#old + 2] = "o:whole", "o:spent" end
head.version, head.snap = version, ""
for _, cell in ipairs({"object", object, "record", record, "head", head_text(head)}) do fields[#fields + 1] = cell end
with_all("HSET", key, fields)
with_all("HDEL", key, old)
local next_look = due_at(lane_of_payment(m, imp), imp)
append_entry(take(), {first_at = number_in(head.first_at), changed_at = now(), fetched_at = number_in(head.fetched_at),
  next_look_at = next_look, silent = not head.is_announced, revision = revision()})
append_entry(take())
list(k("ageing"), p, int(now()))
return "erased"
