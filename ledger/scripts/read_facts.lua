-- Reads the facts of payments, also of those that retention has removed: of the first of them that together have no more than so
-- many, of one at least. ARGV: most facts, merchant, imp_uids…
-- Answer: per payment {facts:p, tomb or ""}
local TOMB_BYTES = 150  -- of each fact
local answer, read = {}, 0
for i = 3, #ARGV do
  local p = ARGV[2] .. "/" .. ARGV[i]
  read = read + redis.call("HLEN", k("facts", p)) + redis.call("STRLEN", k("tomb", p)) / TOMB_BYTES
  if #answer > 0 and read > tonumber(ARGV[1]) then break end
  local facts = redis.call("HGETALL", k("facts", p))
  answer[#answer + 1] = {facts, #facts == 0 and redis.call("GET", k("tomb", p)) or ""}
end
return answer
