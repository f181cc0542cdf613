-- Holds an endpoint's deliveries: its lanes are not claimed any more.
-- ARGV: endpoint, reason in words
-- Returns: "unknown" or "disabled"
-- uses: endpoints lanes
local ep, reason = take(), take()
if not registered(ep) then return "unknown" end
disable_endpoint(ep, reason)
index_lanes(lanes_of_endpoint(ep))
return "disabled"
