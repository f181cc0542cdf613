-- Reads which payments have no record here.
-- ARGV: payments (merchant/imp_uid)…
-- Returns: per payment 1 if it has none, else 0
-- uses: records
local answer = {}
for i, p in ipairs(take_rest()) do answer[i] = has_record(p) and 0 or 1 end
return answer
