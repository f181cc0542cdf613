-- Reads some notifications.
-- ARGV: ids…
-- Returns: {revision, notifications {id, fields}}
-- uses: outbox
local rows = {}
for i, id in ipairs(take_rest()) do rows[i] = {id, redis.call("HGETALL", k("ntf", id))} end
return {int(revision()), rows}
