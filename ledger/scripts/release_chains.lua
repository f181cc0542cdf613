-- Sends at once what waits for an earlier event of its payment, for an endpoint that is not ordered any more. Bounded work.
-- ARGV: endpoint, cursor ("0" at first). Answer: the cursor to go on with, "0" at the end
-- uses: lanes
local ep = ARGV[1]
local cursor, rows = unpack(redis.call("ZSCAN", k("dlvs", "s", ep .. "/pending"), ARGV[2], "COUNT", 500))
local lane = "deliver/" .. ep
for i = 1, #rows, 2 do
  local id = rows[i]
  local m, imp = unpack(redis.call("HMGET", k("dlv", id), "merchant", "imp_uid"))
  local chain = k("chain", ep .. "/" .. m .. "/" .. imp)
  if redis.call("ZSCORE", chain, id) then
    redis.call("ZREM", chain, id)
    if not redis.call("ZSCORE", k("due", lane), id) and redis.call("HEXISTS", k("tokens", lane), id) == 0 then
      touch(lane, id, now())
    end
  end
end
index_lane(lane)
return cursor
