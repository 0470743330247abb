#!lua flags=allow-oom
-- Carries out an order, appends it to the log and publishes it: state, log and message cannot disagree. Works when the
-- memory is full. Given twice with one nonce, it is done once, and answered twice.
--
-- KEYS 1 log   2 nonce   3 nodes   4 cut of everyone   [5 sessions of the user   6 cut of the user   7 connections of the user]
-- ARGV 1 prefix of all keys   2 partition   3 channel   4 nonce   5 node that orders   6 longest log   7 order (JSON)
--      8 reason   9 kind   10 ms for which a cut is remembered   11 deadline, server clock (0: none)
--      session:  12 id
--      user:     12 issued before (0: now)   13 session to keep or ''   14 '1' when the cut is inclusive
--      everyone: 12 issued before (0: now)
--      token:    12 token hash   13 ms to remember it
--      rights:   12 session or ''   13 roles or ''   14 scopes or ''   15 of sessions created until (0: now)
--      rotate:   12 id   13 new id   14 '1' when the user has just authenticated again
-- out  {'done', id, previous (id|nonce), cut, inclusive, sessions, nodes...} | {'late', now}
-- @include common
local now = readNow()
local prefix, kind = ARGV[1], ARGV[9]

-- Those who hold a lease will answer.
local function done(id, previous, cut, inclusive, changed)
  local reply = {'done', id, previous, cut, inclusive, changed}
  for _, node in ipairs(redis.call('ZRANGEBYSCORE', KEYS[3], now, '+inf')) do reply[#reply + 1] = node end
  return reply
end

local known = redis.call('GET', KEYS[2])
if known then return done(unpack(cjson.decode(known))) end
local deadline = tonumber(ARGV[11])
if deadline > 0 and now > deadline then return {'late', text(now)} end
local changed, cut, inclusive = 0, '', ''

local function forget(id)
  changed = changed + redis.call('DEL', prefix .. 's:' .. id)
  redis.call('ZREM', KEYS[5], id)
end

if kind == 'session' then
  forget(ARGV[12])
elseif kind == 'user' then
  local before = tonumber(ARGV[12])
  local isNow = before == 0
  if isNow or before > now then before = now end
  if isNow or ARGV[14] == '1' then inclusive = '1' end
  cut = text(before)
  local current = readCuts(KEYS[6], KEYS[4])
  for _, id in ipairs(redis.call('ZRANGE', KEYS[5], 0, -1)) do
    local session = readSession(prefix .. 's:' .. id, current)
    local at = session and tonumber(session[3])
    if not session then
      redis.call('ZREM', KEYS[5], id)
    elseif id == ARGV[13] then
      if at < before then redis.call('HSET', prefix .. 's:' .. id, 'e', cut) end
    elseif at < before or (inclusive == '1' and at == before) then
      forget(id)
    end
  end
  local sessions, credentials = before, inclusive == '1' and before + 1 or before
  local known = redis.call('GET', KEYS[6])
  if known then
    local first, second = string.match(known, '^(%d+):(%d+)$')
    sessions, credentials = math.max(sessions, tonumber(first)), math.max(credentials, tonumber(second))
  end
  redis.call('SET', KEYS[6], text(sessions) .. ':' .. text(credentials), 'PX', ARGV[10])
elseif kind == 'everyone' then
  local before = tonumber(ARGV[12])
  -- One millisecond beyond now, so that nothing granted in this very millisecond slips through.
  if before == 0 then before = now + 1 elseif before > now + 1 then before = now end
  cut = text(before)
  local known = tonumber(redis.call('GET', KEYS[4]) or '0')
  redis.call('SET', KEYS[4], text(math.max(before, known)), 'PX', ARGV[10])
elseif kind == 'token' then
  redis.call('SET', prefix .. 'j:' .. ARGV[12], '1', 'PX', ARGV[13])
elseif kind == 'rights' then
  local before = tonumber(ARGV[15])
  if before == 0 then before = now end
  cut = text(before)
  local current = readCuts(KEYS[6], KEYS[4])
  local ids = ARGV[12] ~= '' and {ARGV[12]} or redis.call('ZRANGE', KEYS[5], 0, -1)
  for _, id in ipairs(ids) do
    local key = prefix .. 's:' .. id
    local session = readSession(key, current)
    if session and tonumber(session[2]) <= before then
      if ARGV[13] ~= '' then redis.call('HSET', key, 'r', ARGV[13]) end
      if ARGV[14] ~= '' then redis.call('HSET', key, 'o', ARGV[14]) end
      redis.call('HINCRBY', key, 'v', 1)
      changed = changed + 1
    end
  end
elseif kind == 'rotate' then
  local current = readCuts(KEYS[6], KEYS[4])
  local old, new = prefix .. 's:' .. ARGV[12], prefix .. 's:' .. ARGV[13]
  local session, left = readSession(old, current)
  if session then
    redis.call('HSET', new, 'u', session[1], 'c', session[2], 'e', session[3], 'x', session[4], 'i', session[5],
      'r', session[6], 'o', session[7], 't', session[8], 'v', session[9], 'd', session[10], 'l', session[11], 'a', session[12])
    if ARGV[14] == '1' then
      cut = text(now)
      redis.call('HSET', new, 'e', cut, 'a', cut)
    end
    redis.call('PEXPIRE', new, left)
    redis.call('DEL', old)
    local score = redis.call('ZSCORE', KEYS[5], ARGV[12]) or now
    -- In this order: without a member the index would be gone, and its expiry with it.
    redis.call('ZADD', KEYS[5], score, ARGV[13])
    redis.call('ZREM', KEYS[5], ARGV[12])
    local registered = redis.call('HGETALL', KEYS[7])
    for index = 1, #registered, 2 do
      local node, sid, at = string.match(registered[index + 1], '^([^|]*)|([^|]*)|(.*)$')
      if sid == ARGV[12] then redis.call('HSET', KEYS[7], registered[index], node .. '|' .. ARGV[13] .. '|' .. at) end
    end
    changed = 1
  end
end

local entry = {nonce = ARGV[4], order = ARGV[7], cut = cut, inclusive = inclusive, reason = ARGV[8], issuer = ARGV[5]}
local id, previous = appendEntry(KEYS[1], ARGV[3], ARGV[6], ARGV[2], entry)
rememberOrder(KEYS[2], id, previous, cut, inclusive, changed)
return done(id, previous, cut, inclusive, tostring(changed))
