-- Reads hashes.
-- ARGV: how many fields of each (0 for all), these, keys (without the prefix)…
-- Returns: per key {field, value, …}; {} if there is no such key
local fields, answer = take_rows(1), {}
for i, name in ipairs(take_rest()) do
  if #fields == 0 then
    answer[i] = redis.call("HGETALL", k(name))
  else
    local row, values = {}, redis.call("HMGET", k(name), unpack(fields))
    for j, field in ipairs(fields) do
      if values[j] then
        row[#row + 1] = field
        row[#row + 1] = values[j]
      end
    end
    answer[i] = row
  end
end
return answer
