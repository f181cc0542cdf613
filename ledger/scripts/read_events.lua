-- Reads events: the first ones, as many as have so many bytes together, but at least one.
-- ARGV: most bytes of bodies, ids…
-- Returns: {per event its fields (name, value, …), body and the place of i'mport's object or 0; empty for one that does not exist; objects}
-- uses: rows snapshots
local most, ids, answer, bytes = take_number(), take_rest(), {}, 0
find_rows(ids)
for _, id in ipairs(ids) do
  local e = event_of(id)
  local at = e and object_of(e.row.p, e.row.snap)
  if at then
    bytes = bytes + #e.body + #(objects[at] or "")
    if #answer > 0 and bytes > most then break end
    answer[#answer + 1] = {fields_of_event(e), at}
  else
    answer[#answer + 1] = {}
  end
end
return {answer, objects}
