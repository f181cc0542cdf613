-- Records how many notifications wait in a receiver's spool and, if it stores nothing, why; removes receivers that have not reported for a
-- minute. It removes something before it adds something, so that even a full Redis lets it write: that is when spools fill.
-- ARGV: receiver, how many, reason (or "")
-- Returns: 0
local receiver, waiting, reason = take(), take(), take()
redis.call("HDEL", k("spools"), receiver)
local rows = redis.call("HGETALL", k("spools"))
for i = 1, #rows, 2 do
  if tonumber(string.match(rows[i + 1], "^%d+:(%d+)")) < now() - RECEIVER_SILENT_MS then redis.call("HDEL", k("spools"), rows[i]) end
end
redis.call("HSET", k("spools"), receiver, waiting .. ":" .. int(now()) .. ":" .. reason)
return 0
