-- Appends all merchants, endpoints and replays.
-- ARGV: none
-- Returns: revision for the entries that the caller appends beside these
-- uses: outbox
for _, index in ipairs({"merchants", "merchants:deleted"}) do
  for _, m in ipairs(redis.call("ZRANGE", k(index), 0, -1)) do mark_changed("merchant", m) end
end
for _, index in ipairs({"endpoints", "endpoints:deleted"}) do
  for _, ep in ipairs(redis.call("ZRANGE", k(index), 0, -1)) do mark_changed("endpoint", ep) end
end
for _, id in ipairs(redis.call("ZRANGE", k("replays"), 0, -1)) do mark_changed("replay", id) end
return int(revision())
