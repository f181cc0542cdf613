-- A worker's sign of life; workers that have been silent for long are forgotten. ARGV: name, row (JSON), forgotten after (ms)
-- It removes something before it adds something: then it may write in a full Redis, too, in which workers should not seem dead.
redis.call("HDEL", k("workers"), ARGV[1])
local rows = redis.call("HGETALL", k("workers"))
for i = 1, #rows, 2 do
  local at = tonumber(string.match(rows[i + 1], "^(%d+):"))
  if math.abs(now() - at) > tonumber(ARGV[3]) then redis.call("HDEL", k("workers"), rows[i]) end
end
redis.call("HSET", k("workers"), ARGV[1], int(now()) .. ":" .. ARGV[2])
return 0
