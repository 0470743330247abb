-- Admits a connection: rate, ticket, session, revocations, limits and registration in one step.
--
-- KEYS 1 connections of the user   2 nodes   3 log   4 cut of the user   5 cut of everyone
--      6 ticket, or session, or any key of the partition   [7 rate of the address]
-- ARGV 1 prefix of all keys   2 user hash   3 connection   4 node   5 deadline, server clock   6 '1' to touch
--      7 connections a user may have   8 connections a session may have   9 'reject' | 'replace-oldest'
--      10 emission interval of the rate in microseconds   11 burst   12 token hash or ''
--      13 mode: ticket | session | principal   14 partition   15 channel of the log   16 longest log
--      17 nonce for the entry about who has to make room
--      ticket:    18 hash   19 run id   20 origin   21 path   22 session
--      session:   18 id
--      principal: 18 issued at
-- out  {'admitted', now, log tail, evicted node, evicted connection, session fields, ms left, ticket fields, entry before}
--      {'ticket_unknown'} | {'ticket_replayed'} | {'ticket_mismatch', what differs} | {'session_unknown'} | {'revoked'}
--      {'limit', 'user' | 'session'} | {'rate', milliseconds} | {'late', now}
-- @include common
-- @include rate
-- @include ticket-spend
local now = readNow()
local prefix, userHash, connection, mode = ARGV[1], ARGV[2], ARGV[3], ARGV[13]
if now > tonumber(ARGV[5]) then return {'late', text(now)} end
if KEYS[7] then
  local wait = takeRate(KEYS[7], tonumber(ARGV[10]), tonumber(ARGV[11]), 1)
  if wait > 0 then return {'rate', wait} end
end

local ticket, sessionId, issuedAt, tokenHash = {}, '', 0, ARGV[12]
if mode == 'ticket' then
  local presented = {use = 'connect', origin = ARGV[20], path = ARGV[21], session = ARGV[22]}
  local outcome, found = spendTicket(KEYS[6], prefix, ARGV[18], userHash, ARGV[19], presented, now)
  if outcome ~= 'consumed' then return {'ticket_' .. outcome, found or ''} end
  ticket, sessionId, issuedAt, tokenHash = found, found[5], tonumber(found[8]), found[9]
elseif mode == 'session' then
  sessionId = ARGV[18]
else
  issuedAt = tonumber(ARGV[18])
end

local cut, credentialCut = readCuts(KEYS[4], KEYS[5])
local session, left
local sessionKey = prefix .. 's:' .. sessionId
if sessionId ~= '' then
  session, left = readSession(sessionKey, cut)
  if not session then return {'session_unknown'} end
elseif issuedAt < credentialCut then
  return {'revoked'}
end
if tokenHash ~= '' and redis.call('EXISTS', prefix .. 'j:' .. tokenHash) == 1 then return {'revoked'} end

-- A registration counts while the lease of its node lasts; the place of this very connection is not counted.
local registered = redis.call('HGETALL', KEYS[1])
local leases, live, ofSession, since = {}, 0, 0, now
local oldest, oldestAt, oldestOfSession, oldestOfSessionAt
for index = 1, #registered, 2 do
  local id = registered[index]
  local node, sid, at = string.match(registered[index + 1], '^([^|]*)|([^|]*)|(.*)$')
  at = tonumber(at)
  if leases[node] == nil then
    local lease = redis.call('ZSCORE', KEYS[2], node)
    leases[node] = (lease and tonumber(lease) > now) or false
  end
  if not leases[node] then
    redis.call('HDEL', KEYS[1], id)
  elseif id == connection then
    since = at
  else
    live = live + 1
    if not oldestAt or at < oldestAt then oldest, oldestAt = {node, id}, at end
    if sessionId ~= '' and sid == sessionId then
      ofSession = ofSession + 1
      if not oldestOfSessionAt or at < oldestOfSessionAt then oldestOfSession, oldestOfSessionAt = {node, id}, at end
    end
  end
end
local evicted, before = {'', ''}, ''
local full = (ofSession >= tonumber(ARGV[8]) and 'session') or (live >= tonumber(ARGV[7]) and 'user')
if full then
  if ARGV[9] == 'reject' then return {'limit', full} end
  evicted = full == 'session' and oldestOfSession or oldest
  redis.call('HDEL', KEYS[1], evicted[2])
end
redis.call('HSET', KEYS[1], connection, ARGV[4] .. '|' .. sessionId .. '|' .. text(since))
redis.call('PEXPIRE', KEYS[1], 172800000)
-- In the same step, so that whoever has lost the place is told when nobody hears the answer to this.
if full then
  local order = {kind = 'replace', userHash = userHash, node = evicted[1], connectionId = evicted[2]}
  local entry = {nonce = ARGV[17], order = cjson.encode(order), cut = '', inclusive = '', reason = 'replaced', issuer = ''}
  local id
  id, before = appendEntry(KEYS[3], ARGV[15], ARGV[16], ARGV[14], entry)
  rememberOrder(prefix .. 'x:' .. ARGV[17], id, before, '', '', 0)
end
if session and ARGV[6] == '1' then left = touchSession(sessionKey, session, now) end

local last = redis.call('XREVRANGE', KEYS[3], '+', '-', 'COUNT', 1)
return {'admitted', text(now), last[1] and last[1][1] or '0-0', evicted[1], evicted[2], session or {}, text(left or 0), ticket, before}
