-- Reads the notifications of a payment that wait for a refresh.
-- ARGV: payment (merchant/imp_uid), most
-- Returns: {why they have to wait, or "", {id, received:entry}…}
-- uses: notifications
local p, most = take(), take_number()
local row, ids = k("pay", p), waiting_for(p)
local answer = {redis.call("HGET", row, "trouble") or ""}
for i = 1, math.min(#ids, most) do answer[i + 1] = {ids[i], redis.call("HGET", row, "n:" .. ids[i])} end
return answer
