-- Puts back the endpoints that this ledger lacks, with their sealed secrets and subscriptions.
-- ARGV: how many, then per endpoint: id, row (packed), subscription ("ordered filter filter …")
-- Returns: how many it has put back
-- uses: lanes restoring
if not is_restoring() then return 0 end
local n = 0
local rows = take_rows(3)
for i = 1, #rows, 3 do
  local ep = rows[i]
  local row = put_back_hash(k("endpoint", ep), rows[i + 1])
  if row then
    redis.call("HSET", k("subs", row.merchant), ep, rows[i + 2])
    redis.call("ZADD", k("endpoints", "m", row.merchant), row.created_at, ep)
    redis.call("ZADD", k("endpoints"), row.created_at, ep)
    if row.state ~= "enabled" then close_lanes(lanes_of_endpoint(ep)) end
    n = n + 1
  end
end
return n
