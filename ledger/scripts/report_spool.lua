-- Records how many notifications wait in a receiver's spool, and why it stores nothing, if so; removes receivers that have been
-- silent for a minute. It removes something before it adds something: then it may also write in a full Redis, which is when
-- spools fill.
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
