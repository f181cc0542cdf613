-- Releases what was held for an endpoint: its lanes are claimed again, at once. It starts afresh.
-- ARGV: endpoint
-- Returns: nil where it is unknown, else the lanes to kick
-- uses: endpoints lanes outbox
local ep = take()
if not registered(ep) then return nil end
start_afresh(ep)
set_endpoint(ep, "state", "enabled", "disabled_reason", "")
local lanes = {}
for _, lane in ipairs(lanes_of_endpoint(ep)) do
  redis.call("HDEL", k("lane", lane), "closed")
  lanes[lane] = true
end
return announce(lanes)
