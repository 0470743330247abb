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

-- The fields of a session and the milliseconds left to it, or nothing when it has ended or was overtaken by a cut.
local function readSession(key, cut)
  local session = redis.call('HMGET', key, 'u', 'c', 'e', 'x', 'i', 'r', 'o', 't', 'v', 'd')
  if not session[1] then return nil end
  if tonumber(session[3]) < cut then
    redis.call('DEL', key)
    return nil
  end
  local left = redis.call('PTTL', key)
  if left <= 0 then return nil end
  return session, left
end

-- Restarts the idle time, never past the absolute end. Answers the milliseconds left. PEXPIRE cannot bring a key back.
local function touchSession(key, session, now)
  local left = math.min(tonumber(session[5]), tonumber(session[4]) - now)
  redis.call('PEXPIRE', key, left)
  return left
end
