-- The payments of each order of a merchant: `pays:m` has their imp_uids by order number, in the order in which they were recorded.

-- Adds payments (rows {imp_uid, merchant_uid}) of a merchant.
local function list_under_orders(m, rows)
  local numbers, of_order = {}, {}
  for _, row in ipairs(rows) do
    local imp, number = row[1], row[2]
    if number ~= "" then
      if not of_order[number] then
        of_order[number] = {}
        numbers[#numbers + 1] = number
      end
      table.insert(of_order[number], imp)
    end
  end
  if #numbers == 0 then return end
  -- An order may have very many payments: its list is copied as seldom as possible.
  local known, fields = redis.call("HMGET", k("pays", m), unpack(numbers)), {}
  for i, number in ipairs(numbers) do
    local listed, new = (known[i] or "") .. " ", {known[i] or ""}
    for _, imp in ipairs(of_order[number]) do
      if not string.find(listed, " " .. imp .. " ", 1, true) then new[#new + 1] = imp end
    end
    if #new > 1 then
      fields[#fields + 1] = number
      fields[#fields + 1] = table.concat(new, " ")
    end
  end
  with_all("HSET", k("pays", m), fields)
end

-- The payments of an order, the oldest first.
local function payments_of_order(m, number)
  local imps = {}
  for imp in string.gmatch(redis.call("HGET", k("pays", m), number) or "", "%S+") do imps[#imps + 1] = imp end
  return imps
end
