-- Reads the facts of payments, also of those that retention has removed: of the first of them that together have no more than so many,
-- of one at least.
-- ARGV: most facts, merchant, imp_uids…
-- Returns: per payment {facts:p, tomb:p or ""}
local TOMB_BYTES = 150  -- of each fact
local most, m, answer, read = take_number(), take(), {}, 0
for _, imp in ipairs(take_rest()) do
  local p = m .. "/" .. imp
  read = read + redis.call("HLEN", k("facts", p)) + redis.call("STRLEN", k("tomb", p)) / TOMB_BYTES
  if #answer > 0 and read > most then break end
  local facts = redis.call("HGETALL", k("facts", p))
  answer[#answer + 1] = {facts, #facts == 0 and redis.call("GET", k("tomb", p)) or ""}
end
return answer
