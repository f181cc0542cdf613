-- Leases deliveries that are due, as many as the endpoint's limits allow.
-- ARGV: lane, limit, lease (ms), places of an endpoint that has answered nothing yet
-- Returns: {lanes to kick, {what is claimed (see claiming.lua), objects}}
-- uses: claiming lanes
local lanes = {}
local claimed = claim_deliveries(lanes, take(), take_number(), take_number(), take_number())
return {announce(lanes), {claimed, objects}}
