-- Records a test event and has it sent to one endpoint now, whatever its lane waits for, also to an endpoint that is disabled.
-- ARGV: endpoint, event, type, body
-- Returns: {"unknown" | "sent", lane to kick or ""}
-- uses: endpoints events lanes requested
local ep, event, type_, body = take(), take(), take(), take()
local state, m = registered(ep)
if not state then return {"unknown", ""} end
local lane = "deliver/" .. ep
local e = {event = event, m = m, imp = "", type = type_, sequence = 0, body = body}
record_event(e)
deliver({}, e, ep, false)
request_delivery(lane, event .. "." .. ep, "test")
return {"sent", index_and_kick(lane)}
