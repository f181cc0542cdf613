-- Reads the facts of payments: of the first of them that together have no more than so many, of one at least.
-- ARGV: most facts, merchant, imp_uids…
-- Returns: {when the youngest of the payments that have left had last changed (ms, 0: none has), per payment facts:p}
local most, m, answer, read = take_number(), take(), {}, 0
for _, imp in ipairs(take_rest()) do
  local facts = k("facts", m .. "/" .. imp)
  read = read + redis.call("HLEN", facts)
  if #answer > 0 and read > most then break end
  answer[#answer + 1] = redis.call("HGETALL", facts)
end
return {redis.call("GET", k("left")) or "0", answer}
