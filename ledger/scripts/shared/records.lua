-- The row of a payment, `pay:p`. Its record is in two fields, because scripts read little of it: `head` ("version first_at fetched_at
-- webhook_at snap words merchant_uid") and `record`, the rest as a worker packs it. `object` is i'mport's object; it is empty if the events of
-- version `snap` show the same object. `n:{id}` and `s:{id}` are notifications (see notifications.lua), so a row may exist before its
-- record does.
-- uses: snapshots

local HEAD = "^(%d+) (%d+) (%d*) (%d*) (%d*) (%S*) (.*)$"

-- What scripts know of a record: version, first_at, fetched_at (ms), webhook_at (when its latest webhook came, ms), snap, words ("announced":
-- events of it were delivered, "cancelling": a cancellation is open), merchant_uid. nil if there is no record
local function parsed_head(text)
  if not text then return nil end
  local version, first_at, fetched_at, webhook_at, snap, words, merchant_uid = string.match(text, HEAD)
  return {version = version, first_at = first_at, fetched_at = fetched_at, webhook_at = webhook_at, snap = snap, words = words,
    is_announced = string.find(words, "announced", 1, true) ~= nil, is_cancelling = string.find(words, "cancelling", 1, true) ~= nil,
    merchant_uid = merchant_uid}
end

local function head_of(p)
  return parsed_head(redis.call("HGET", k("pay", p), "head") or nil)
end

local function has_record(p)
  return redis.call("HEXISTS", k("pay", p), "head") == 1
end

-- Returns: {head, record, i'mport's object}, or {} if there is no record
local function whole_record(p)
  local head, record, object = unpack(redis.call("HMGET", k("pay", p), "head", "record", "object"))
  if not head then return {} end
  if not object or object == "" then object = snapshot(p, parsed_head(head).snap) or "" end
  return {head, record, object}
end

local function head_text(h)
  local words = (h.is_announced and "announced," or "") .. (h.is_cancelling and "cancelling" or "")
  return table.concat({h.version, h.first_at, h.fetched_at, h.webhook_at, h.snap, words, h.merchant_uid}, " ")
end
