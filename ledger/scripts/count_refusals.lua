-- Adds to the counts of refused webhooks.
-- ARGV: how many statuses, ("merchant:status", count)…, how many reasons, ("merchant:reason", count)… of bodies that could not be used
-- Returns: 0
local statuses = take_rows(2)
local reasons = take_rows(2)
for i = 1, #statuses, 2 do
  redis.call("HINCRBY", k("refusals"), statuses[i], statuses[i + 1])
  count("refused", statuses[i + 1])
end
for i = 1, #reasons, 2 do
  redis.call("HINCRBY", k("refused_bodies"), reasons[i], reasons[i + 1])
  redis.call("ZADD", k("refused_bodies", "at"), int(now()), reasons[i])
end
return 0
