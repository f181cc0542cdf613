-- Adds to the counts of refused webhooks.
-- ARGV: how many statuses, then ("merchant:status", count)…, then ("merchant:reason", count)… of bodies that were of no use
local statuses = tonumber(ARGV[1])
for i = 2, #ARGV, 2 do
  if i < 2 + 2 * statuses then
    redis.call("HINCRBY", k("refusals"), ARGV[i], ARGV[i + 1])
    count("refused", ARGV[i + 1])
  else
    redis.call("HINCRBY", k("refused_bodies"), ARGV[i], ARGV[i + 1])
    redis.call("ZADD", k("refused_bodies", "at"), int(now()), ARGV[i])
  end
end
return 0
