-- What every script begins with. Times are the server's own, in Unix milliseconds; they leave a script as text, because
-- numbers next to 2^53 do not survive every client.

local function readNow()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

local function text(number)
  return string.format('%.0f', number)
end

-- Unix ms from before which the sessions and the other credentials of a user are dead.
local function readCuts(userCutKey, everyoneCutKey)
  local values = redis.call('MGET', userCutKey, everyoneCutKey)
  local sessions, credentials = 0, 0
  if values[1] then
    local first, second = string.match(values[1], '^(%d+):(%d+)$')
    sessions, credentials = tonumber(first), tonumber(second)
  end
  local everyone = tonumber(values[2] or '0')
  return math.max(sessions, everyone), math.max(credentials, everyone)
end

-- The fields of a session and the milliseconds left to it, or nothing when it has ended or was overtaken by a cut. One that
-- was never used since was used when it was created.
local function readSession(key, cut)
  local session = redis.call('HMGET', key, 'u', 'c', 'e', 'x', 'i', 'r', 'o', 't', 'v', 'd', 'l', 'a')
  if not session[1] then return nil end
  if tonumber(session[3]) < cut then
    redis.call('DEL', key)
    return nil
  end
  local left = redis.call('PTTL', key)
  if left <= 0 then return nil end
  session[11] = session[11] or session[2]
  session[12] = session[12] or session[2]
  return session, left
end

-- Restarts the idle time, never past the absolute end. Answers the milliseconds left. PEXPIRE cannot bring a key back.
local function touchSession(key, session, now)
  local left = math.min(tonumber(session[5]), tonumber(session[4]) - now)
  session[11] = text(now)
  redis.call('HSET', key, 'l', session[11])
  redis.call('PEXPIRE', key, left)
  return left
end

-- Appends an entry to the log and publishes it. Answers its id, and the entry before it as id|nonce, or '' for the first:
-- after a failover another entry may have the same id. What it says is a table of nonce, order (JSON), cut, inclusive,
-- reason and issuer.
local function appendEntry(log, channel, longest, partition, entry)
  local last = redis.call('XREVRANGE', log, '+', '-', 'COUNT', 1)
  local previous = last[1] and last[1][1] .. '|' .. last[1][2][2] or ''
  local id = redis.call('XADD', log, 'MAXLEN', '~', longest, '*', 'k', entry.nonce, 'o', entry.order, 'c', entry.cut,
    'i', entry.inclusive, 'y', entry.reason, 'n', entry.issuer)
  redis.call('PUBLISH', channel, cjson.encode({partition, id, previous, entry.nonce, entry.order, entry.cut,
    entry.inclusive, entry.reason, entry.issuer}))
  return id, previous
end

-- Remembers what came of an order: given again under its nonce, it is answered again, and not carried out again.
local function rememberOrder(key, id, previous, cut, inclusive, changed)
  redis.call('SET', key, cjson.encode({id, previous, cut, inclusive, tostring(changed)}), 'PX', 300000)
end
