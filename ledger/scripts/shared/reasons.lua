-- Reasons as schemas/reasons stores them. They are put into words only where they are shown.

-- The reason `code` with its parameters (a table or nil) and its cause (a stored reason, or nil or "" for none).
local function because(code, params, cause)
  local text = '{"code":"' .. code .. '"'
  if params then text = text .. ',"params":' .. cjson.encode(params) end
  if cause and cause ~= "" then text = text .. ',"cause":' .. cause end
  return text .. "}"
end
