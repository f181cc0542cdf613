-- A script's arguments, read one after the other, in the order in which its head lists them. "" stands for "none".

local arguments_read = 0
local function take()
  arguments_read = arguments_read + 1
  return ARGV[arguments_read]
end

-- nil for "none".
local function take_number()
  return tonumber(take())
end

-- nil for "none".
local function take_text()
  local text = take()
  return text ~= "" and text or nil
end

-- A flag, passed as 1 or 0.
local function take_flag()
  return take() == "1"
end

-- Rows of so many columns, as one flat list; the argument before them says how many rows there are.
local function take_rows(columns)
  local rows = {}
  for i = 1, take_number() * columns do rows[i] = take() end
  return rows
end

-- All arguments that are left; there may be more than fit on Lua's stack.
local function take_rest()
  local rest = {}
  for i = 1, #ARGV - arguments_read do rest[i] = take() end
  return rest
end
