-- Reads records of payments: the first ones, as many as are not too long together, but at least one.
-- ARGV: about how many bytes to read, whether with i'mport's objects (0 or 1), payments (merchant/imp_uid)…
-- Returns: {last change of the youngest payment that has left (ms, 0: none has), {per payment {head, record, object (if wanted)}, or {}
--          if it has no record}}
-- uses: records
local most, with_objects, answer, bytes = take_number(), take_flag(), {}, 0
for i, p in ipairs(take_rest()) do
  local row = with_objects and whole_record(p) or redis.call("HMGET", k("pay", p), "head", "record")
  if not row[1] then row = {} end
  bytes = bytes + #(row[2] or "") + #(row[3] or "")
  if i > 1 and bytes > most then break end
  answer[i] = row
end
return {redis.call("GET", k("left")) or "0", answer}
