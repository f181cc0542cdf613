-- Records a test event and makes its delivery to one endpoint due now, even if the lane is paused or the endpoint is disabled.
-- ARGV: endpoint, event, type, body, entry for history
-- Returns: {lanes to kick, "unknown" or "sent"}
-- uses: deliveries endpoints events lanes requested
local ep, event, type_, body, entry = take(), take(), take(), take(), take()
local state, m = registered(ep)
if not state then return {{}, "unknown"} end
local lane = "deliver/" .. ep
record_event({}, {id = event, of = m, type = type_, sequence = "0", silent = "0", body = body, entry = entry}, {ep})
request_delivery(lane, delivery(event .. "." .. ep), "test")
return {index_and_kick(lane), "sent"}
