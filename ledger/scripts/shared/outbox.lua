-- Collects what a script changes and history shows, as entries (see schemas/outbox). When the script is done, they are appended to the
-- outbox as one item, with each changed row as it is then, however often it was written.

local MOST_FIELDS = 1000
local item, changed = {}, {}

-- How many of the functions below have begun and not ended. More than 0 at the end of a script: Redis refused a command in one of them.
local unfinished = 0

-- Adds an entry that a worker has packed. `stamp` (a table) has what only the script knows.
local function append_entry(entry, stamp)
  item[#item + 1] = "e"
  item[#item + 1] = entry
  if stamp then
    item[#item + 1] = "s"
    item[#item + 1] = cmsgpack.pack(stamp)
  end
end

-- Adds an entry that the script itself makes.
local function append_entry_of(kind, fields)
  fields.v, fields.kind = ENTRY_VERSION, kind
  append_entry(cmsgpack.pack(fields))
end

-- The revision of this script's changes. It grows from script to script, even in a ledger that is begun anew. Of two entries about the same
-- row, history keeps the one with the greater revision, whichever comes first.
local revised
local function revision()
  if not revised then
    unfinished = unfinished + 1
    local least = now() * 1000
    local last = redis.call("INCR", k("revision"))
    if last < least then
      last = least
      redis.call("SET", k("revision"), int(last))
    end
    revised = last
    unfinished = unfinished - 1
  end
  return revised
end

local function number_in(text)
  return tonumber(text or "")
end

-- A whole hash with its values; `put_back_hash` in restoring.lua writes it again.
local function packed_hash(key)
  return cmsgpack.pack(redis.call("HGETALL", key))
end

local describe = {}

function describe.endpoint(ep)
  local m, state, created = unpack(redis.call("HMGET", k("endpoint", ep), "merchant", "state", "created_at"))
  if not state then return end
  append_entry_of("endpoint", {id = ep, merchant = m, state = state, created_at = number_in(created), changed_at = now(),
    row = packed_hash(k("endpoint", ep)), revision = revision()})
end

function describe.merchant(m)
  local created = number_in(redis.call("HGET", k("merchant", m), "created_at"))
  if not created then return end
  append_entry_of("merchant", {name = m, created_at = created, changed_at = now(), row = packed_hash(k("merchant", m)),
    revision = revision()})
end

function describe.replay(id)
  local state, created, part = unpack(redis.call("HMGET", k("replay", id), "state", "created_at", "part"))
  if not state then return end
  append_entry_of("replay", {id = id, part = number_in(part) or 0, state = state, created_at = number_in(created), changed_at = now(),
    row = packed_hash(k("replay", id)), revision = revision()})
end

local function mark_changed(kind, id)
  changed[kind] = changed[kind] or {}
  changed[kind][id] = true
end

-- Writes fields of an endpoint's row, which history shows.
local function set_endpoint(ep, ...)
  redis.call("HSET", k("endpoint", ep), ...)
  mark_changed("endpoint", ep)
end

-- Returns: place of the item, or nil if there was nothing to append
append_to_outbox = function()
  unfinished = unfinished + 1
  for kind, ids in pairs(changed) do
    for id in pairs(ids) do describe[kind](id) end
  end
  changed = {}
  local place, first = nil, 1
  while first <= #item do
    local last = math.min(first + MOST_FIELDS - 1, #item)
    if item[last + 1] == "s" then last = last + 2 end  -- an entry and its stamp stay together
    place = redis.call("XADD", k("outbox"), "*", unpack(item, first, last))
    first = last + 1
  end
  item = {}
  unfinished = unfinished - 1
  return place
end

-- Notes it by a command that the functions above do not use, so that it works even if one of theirs was refused. A full Redis refuses it,
-- but then nothing was changed.
note_lacking = function()
  if unfinished > 0 then redis.pcall("SETNX", k("lacking"), "1") end
end
