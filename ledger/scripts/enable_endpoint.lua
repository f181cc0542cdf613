-- Enables an endpoint: its lanes are claimed again, at once, and it starts afresh.
-- ARGV: endpoint
-- Returns: {lanes to kick, "unknown" or "enabled"}
-- uses: endpoints lanes outbox
local ep = take()
if not registered(ep) then return {{}, "unknown"} end
start_afresh(ep)
set_endpoint(ep, "state", "enabled", "disabled_reason", "")
local lanes = {}
for _, lane in ipairs(lanes_of_endpoint(ep)) do
  redis.call("HDEL", k("lane", lane), "closed")
  lanes[lane] = true
end
return {announce(lanes), "enabled"}
