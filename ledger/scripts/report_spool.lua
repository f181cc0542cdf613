-- Notes how many notifications wait in a receiver's spool; receivers that have been silent for a minute are forgotten.
-- ARGV: receiver, waiting
-- It removes something before it adds something: then it may write in a full Redis, too, which is when spools fill.
redis.call("HDEL", k("spools"), ARGV[1])
local rows = redis.call("HGETALL", k("spools"))
for i = 1, #rows, 2 do
  if tonumber(string.match(rows[i + 1], ":(%d+)$")) < now() - 60000 then redis.call("HDEL", k("spools"), rows[i]) end
end
redis.call("HSET", k("spools"), ARGV[1], ARGV[2] .. ":" .. int(now()))
return 0
