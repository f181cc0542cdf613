-- Records how many notifications wait in a receiver's spool; removes receivers that have been silent for a minute. It removes something
-- before it adds something: then it may also write in a full Redis, which is when spools fill.
-- ARGV: receiver, how many
-- Returns: 0
local receiver, waiting = take(), take()
redis.call("HDEL", k("spools"), receiver)
local rows = redis.call("HGETALL", k("spools"))
for i = 1, #rows, 2 do
  if tonumber(string.match(rows[i + 1], ":(%d+)$")) < now() - RECEIVER_SILENT_MS then redis.call("HDEL", k("spools"), rows[i]) end
end
redis.call("HSET", k("spools"), receiver, waiting .. ":" .. int(now()))
return 0
