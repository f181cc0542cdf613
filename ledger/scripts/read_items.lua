-- Reads items of the outbox, the oldest first. The item at the place that history has reached stays until the next one is recorded. If it
-- is gone, Redis or history came back with an old copy, or another recorder was quicker.
-- ARGV: place behind which to begin, most items; fewer are read if they are large, because Redis does nothing else meanwhile
-- Returns: {"ok", or "history" if Redis knows that history had more, or "redis" if Redis knows of less, items {place, {field, value, …}},
--          1 if the outbox may lack a change, else 0}
-- uses: outbox_places
local ITEMS_AT_ONCE, ENOUGH_FIELDS = 20, 4000

local after, most = take(), take_number()
local items, fields, from = {}, 0, after
repeat
  local some = redis.call("XRANGE", k("outbox"), from, "+", "COUNT", math.min(ITEMS_AT_ONCE, most + 1 - #items))
  for _, item in ipairs(some) do
    items[#items + 1] = item
    fields = fields + #item[2]
    from = "(" .. item[1]
  end
until #some < ITEMS_AT_ONCE or #items > most or fields >= ENOUGH_FIELDS
local lacks = redis.call("EXISTS", k("lacking"))
if items[1] and items[1][1] == after then
  table.remove(items, 1)
  return {"ok", items, lacks}
end
local recorded = recorded_place()
return {is_before(after, recorded) and "history" or is_before(recorded, after) and "redis" or "ok", items, lacks}
