-- Records a worker's heartbeat; removes workers without one for long. It removes something before it adds something, so that
-- even a full Redis lets it write: workers must not seem dead because Redis is full.
-- ARGV: name, row (JSON), removed after (ms)
-- Returns: 0
local name, row, removed_after = take(), take(), take_number()
redis.call("HDEL", k("workers"), name)
local rows = redis.call("HGETALL", k("workers"))
for i = 1, #rows, 2 do
  local at = tonumber(string.match(rows[i + 1], "^(%d+):"))
  if math.abs(now() - at) > removed_after then redis.call("HDEL", k("workers"), rows[i]) end
end
redis.call("HSET", k("workers"), name, int(now()) .. ":" .. row)
return 0
