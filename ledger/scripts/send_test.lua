-- Records a test event and makes its delivery to one endpoint due now, even if the lane is paused or the endpoint is disabled.
-- ARGV: endpoint, event, type, body, entry for history
-- Returns: {lanes to kick, "unknown" or "sent"}
-- uses: endpoints events lanes requested
local ep, event, type_, body, entry = take(), take(), take(), take(), take()
local state, m = registered(ep)
if not state then return {{}, "unknown"} end
local lane = "deliver/" .. ep
local e = {event = event, m = m, imp = "", type = type_, sequence = 0, body = body, entry = entry}
record_event(e)
deliver({}, e, ep, false)
request_delivery(lane, event .. "." .. ep, "test")
return {index_and_kick(lane), "sent"}
