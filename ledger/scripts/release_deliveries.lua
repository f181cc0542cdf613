-- Puts into the lane what waits for an earlier event of its payment: the endpoint is not ordered any more. Bounded work.
-- ARGV: endpoint, cursor ("0" at first)
-- Returns: {lanes to kick, the cursor to go on with, "0" at the end}
-- uses: chains lanes
local MOST = 500
local ep, cursor_before = take(), take()
local cursor, rows = unpack(redis.call("ZSCAN", k("dlvs", "s", ep .. "/pending"), cursor_before, "COUNT", MOST))
local lane = "deliver/" .. ep
for i = 1, #rows, 2 do
  local id = rows[i]
  local m, imp = unpack(redis.call("HMGET", k("dlv", id), "merchant", "imp_uid"))
  local chain = chain_of(ep, m, imp)
  if redis.call("ZSCORE", chain, id) then
    redis.call("ZREM", chain, id)
    if not is_due_or_leased(lane, id) then touch(lane, id, now()) end
  end
end
return {index_and_kick(lane), cursor}
