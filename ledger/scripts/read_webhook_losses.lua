-- Counts webhooks of the last seven days.
-- ARGV: none
-- Returns: {those that never came, those that brought facts}
local DAYS = 7
local lost, came = 0, 0
for day = today() - DAYS + 1, today() do
  local row = redis.call("HMGET", day_key(day), "lost", "applied")
  lost, came = lost + (row[1] or 0), came + (row[2] or 0)
end
return {lost, came}
