-- Reads events: the first of them that together have no more than so many bytes, one at least.
-- ARGV: most bytes of bodies, ids…
-- Returns: {per event (merchant, imp_uid, type, sequence, recorded_at, silent, about or "", body, place of i'mport's object or 0),
--          empty for one that does not exist; objects}
-- uses: snapshots
local most, rows, bytes = take_number(), {}, 0
for _, id in ipairs(take_rest()) do
  local row = redis.call("HMGET", k("evt", id), "merchant", "imp_uid", "type", "sequence", "recorded_at", "silent", "about",
    "body", "snap")
  local at = row[8] and object_of(row[1] .. "/" .. row[2], row[9])
  if at then
    bytes = bytes + #row[8] + #(objects[at] or "")
    if #rows > 0 and bytes > most then break end
    rows[#rows + 1] = {row[1], row[2], row[3], row[4], row[5], row[6], row[7] or "", row[8], at}
  else
    rows[#rows + 1] = {}
  end
end
return {rows, objects}
