-- A script's arguments, one after the other.

local read = 0
local function take()
  read = read + 1
  return ARGV[read]
end

-- Rows of so many columns, flat: the argument before them says how many.
local function take_rows(columns)
  local rows = {}
  for i = 1, tonumber(take()) * columns do rows[i] = take() end
  return rows
end

