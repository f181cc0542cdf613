-- Looks for a text in the latest items of the outbox.
-- ARGV: text, most items
-- Returns: {the latest entry that has the text, its stamp (or "")}, or {} if none has it
local text, most = take(), take()
for _, item in ipairs(redis.call("XREVRANGE", k("outbox"), "+", "-", "COUNT", most)) do
  local fields = item[2]
  for i = #fields - 1, 1, -2 do
    if fields[i] == "e" and string.find(fields[i + 1], text, 1, true) then
      return {fields[i + 1], fields[i + 2] == "s" and fields[i + 3] or ""}
    end
  end
end
return {}
