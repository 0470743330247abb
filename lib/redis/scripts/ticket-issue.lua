-- Remembers a ticket, for a session that lives.
--
-- KEYS 1 ticket   2 tickets of its owner   3 rate of its owner   4 cut of the user   5 cut of everyone   6 session
-- ARGV 1 hash   2 ttl ms   3 ms for which a spent one is remembered   4 unused tickets an owner may have
--      5 emission interval of the rate in microseconds   6 burst   7 '1' when there is a session
--      8 prefix of ticket keys   9 expiry   10.. fields and values
-- out  {'issued'} | {'session_unknown'} | {'rate', milliseconds}
-- @include common
-- @include rate
local now = readNow()
if ARGV[7] == '1' then
  local cut = readCuts(KEYS[4], KEYS[5])
  if not readSession(KEYS[6], cut) then return {'session_unknown'} end
end
local wait = takeRate(KEYS[3], tonumber(ARGV[5]), tonumber(ARGV[6]), 1)
if wait > 0 then return {'rate', wait} end

redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now)
local surplus = redis.call('ZCARD', KEYS[2]) - tonumber(ARGV[4]) + 1
if surplus > 0 then
  for _, hash in ipairs(redis.call('ZRANGE', KEYS[2], 0, surplus - 1)) do
    redis.call('DEL', ARGV[8] .. hash)
    redis.call('ZREM', KEYS[2], hash)
  end
end
local ttl, memory = tonumber(ARGV[2]), tonumber(ARGV[3])
redis.call('HSET', KEYS[1], 'x', ARGV[9], unpack(ARGV, 10))
redis.call('PEXPIRE', KEYS[1], ttl + memory)
redis.call('ZADD', KEYS[2], now + ttl, ARGV[1])
redis.call('PEXPIRE', KEYS[2], math.max(ttl, redis.call('PTTL', KEYS[2])))
return {'issued'}
