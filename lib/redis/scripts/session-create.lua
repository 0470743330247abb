-- Creates a session.
--
-- KEYS 1 session   2 sessions of the user   3 cut of the user   4 cut of everyone
-- ARGV 1 id   2 user id   3 roles   4 scopes   5 tenant   6 data   7 idle ms   8 absolute ms
--      9 authenticated at (0: now)   10 sessions a user may have   11 prefix of session keys
-- out  {'created', created at, authenticated at, absolute end} | {'stale'} | {'too_many'}
-- @include common
local now = readNow()
local cut = readCuts(KEYS[3], KEYS[4])
local authenticatedAt = tonumber(ARGV[9])
-- A login of now is later than every revocation; one of the future counts as one of now.
if authenticatedAt == 0 then authenticatedAt = math.max(now, cut) else authenticatedAt = math.min(authenticatedAt, now) end
if authenticatedAt < cut or redis.call('EXISTS', KEYS[1]) == 1 then return {'stale'} end

local live = 0
for _, id in ipairs(redis.call('ZRANGE', KEYS[2], 0, -1)) do
  if readSession(ARGV[11] .. id, cut) then live = live + 1 else redis.call('ZREM', KEYS[2], id) end
end
if live >= tonumber(ARGV[10]) then return {'too_many'} end

local idle, absolute = tonumber(ARGV[7]), tonumber(ARGV[8])
redis.call('HSET', KEYS[1], 'u', ARGV[2], 'c', text(now), 'e', text(authenticatedAt), 'x', text(now + absolute),
  'i', ARGV[7], 'r', ARGV[3], 'o', ARGV[4], 't', ARGV[5], 'v', '1', 'd', ARGV[6], 'a', text(authenticatedAt))
redis.call('PEXPIRE', KEYS[1], math.min(idle, absolute))
redis.call('ZADD', KEYS[2], now, ARGV[1])
if redis.call('PTTL', KEYS[2]) < absolute then redis.call('PEXPIRE', KEYS[2], absolute) end
return {'created', text(now), text(authenticatedAt), text(now + absolute)}
