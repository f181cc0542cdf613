-- Reads records of payments, of as many of the first of them as are not too long together; of one at least.
-- ARGV: bytes that are read, about; with i'mport's objects (0 or 1); payments (merchant/imp_uid)…
-- Returns: {when the youngest of the payments that have left had last changed (ms, 0: none has), per payment {head, record, object (if wanted)};
--          empty where there is no record}
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
