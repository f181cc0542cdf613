-- The payments of each order of a merchant: `pays:m` has their imp_uids by order number, in the order in which they were recorded.

-- Adds payments (rows {imp_uid, merchant_uid}) of a merchant.
local function list_under_orders(m, rows)
  local numbers, found, changed = {}, {}, {}
  for _, row in ipairs(rows) do
    if row[2] ~= "" then numbers[#numbers + 1] = row[2] end
  end
  if #numbers == 0 then return end
  local known = redis.call("HMGET", k("pays", m), unpack(numbers))
  for i, number in ipairs(numbers) do found[number] = known[i] or "" end
  for _, row in ipairs(rows) do
    local imp, number = row[1], row[2]
    if number ~= "" and not string.find(found[number] .. " ", " " .. imp .. " ", 1, true) then
      found[number] = found[number] .. " " .. imp
      changed[number] = true
    end
  end
  local fields = {}
  for number in pairs(changed) do
    fields[#fields + 1] = number
    fields[#fields + 1] = found[number]
  end
  with_all("HSET", k("pays", m), fields)
end

-- The payments of an order, the oldest first.
local function payments_of_order(m, number)
  local imps = {}
  for imp in string.gmatch(redis.call("HGET", k("pays", m), number) or "", "%S+") do imps[#imps + 1] = imp end
  return imps
end
