-- Reads hashes in one look. ARGV: how many fields of each (0 for all), these, the keys (without the prefix).
-- Answer: one list for each key: field, value, field, value, ...; empty where there is no such key
local fields, answer = {}, {}
for i = 1, tonumber(ARGV[1]) do fields[i] = ARGV[1 + i] end
for i = 2 + #fields, #ARGV do
  local key = k(ARGV[i])
  if #fields == 0 then
    answer[#answer + 1] = redis.call("HGETALL", key)
  else
    local row, values = {}, redis.call("HMGET", key, unpack(fields))
    for j = 1, #fields do
      if values[j] then
        row[#row + 1] = fields[j]
        row[#row + 1] = values[j]
      end
    end
    answer[#answer + 1] = row
  end
end
return answer
