-- Puts back the merchants that this ledger lacks.
-- ARGV: how many, then per merchant: name, row (packed)
-- Returns: how many it has put back
-- uses: restoring
if not is_restoring() then return 0 end
local n = 0
local rows = take_rows(2)
for i = 1, #rows, 2 do
  local m = rows[i]
  local row = put_back_hash(k("merchant", m), rows[i + 1])
  if row then
    -- i'mport will be asked again; until then no trouble with it is known.
    redis.call("HSET", k("merchant", m), "trouble", "")
    redis.call("ZADD", k("merchants"), row.created_at, m)
    n = n + 1
  end
end
return n
