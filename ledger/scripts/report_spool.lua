-- Notes how many notifications wait in a receiver's spool; receivers that have been silent for a minute are forgotten.
-- ARGV: receiver, waiting
local rows = redis.call("HGETALL", k("spools"))
for i = 1, #rows, 2 do
  if tonumber(string.match(rows[i + 1], ":(%d+)$")) < now() - 60000 then redis.call("HDEL", k("spools"), rows[i]) end
end
redis.call("HSET", k("spools"), ARGV[1], ARGV[2] .. ":" .. int(now()))
return 0
