-- Removes old events that belong to no payment: those about endpoints, and tests.
-- ARGV: recorded before (ms), limit of each type, how many types, these
-- Returns: how many
-- uses: retention
local before, limit, removed = take(), take_number(), 0
for _, type_ in ipairs(take_rows(1)) do
  local ends = removed + limit
  for _, event in ipairs(redis.call("ZRANGEBYSCORE", k("evts", "t", type_), "-inf", before)) do
    if removed == ends then break end
    local some = deliveries_in(redis.call("HGETALL", k("evt", event)))
    if not has_pending_delivery(some) then
      unlist(some)
      redis.call("DEL", k("evt", event))
      redis.call("ZREM", k("evts", "t", type_), event)
      removed = removed + 1
    end
  end
end
return removed
