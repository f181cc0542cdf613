-- Reads the notifications of a payment that wait for a refresh.
-- ARGV: payment (merchant/imp_uid), most
-- Returns: {why they have to wait, or "", {id, received:entry}…}
local row, most = k("pay", take()), take_number()
local ids = names_in(row, "n:")
local answer = {redis.call("HGET", row, "trouble") or ""}
for i = 1, math.min(#ids, most) do answer[i + 1] = {ids[i], redis.call("HGET", row, "n:" .. ids[i])} end
return answer
