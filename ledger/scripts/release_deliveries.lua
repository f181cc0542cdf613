-- Puts deliveries into the lane that wait for an earlier event of their payment: the endpoint is no longer ordered. Bounded work.
-- ARGV: endpoint, cursor ("0" at first)
-- Returns: {lanes to kick, cursor to go on with, "0" at the end}
-- uses: deliveries lanes
local MOST = 500
local ep, cursor_before = take(), take()
local cursor, rows = unpack(redis.call("ZSCAN", k("dlvs", "s", ep .. "/pending"), cursor_before, "COUNT", MOST))
local lane = "deliver/" .. ep
for i = 1, #rows, 2 do
  local d = delivery(rows[i])
  if d and d.waits_for then
    touch(lane, d.id, now())
    d.waits_for = nil
    save(d)
  end
end
return {index_and_kick(lane), cursor}
