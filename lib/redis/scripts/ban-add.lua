-- Keeps a ban, and tells the other nodes. A ban by an operator outlasts one by a rule; of two by rules the longer one stays.
-- When there are too many, one by a rule makes room.
--
-- KEYS 1 bans: end|1 when it is by a rule|reason, by prefix
-- ARGV 1 prefix   2 ms   3 '1' when it is by a rule   4 reason   5 most bans   6 channel   7 notice
-- out  1 when it is kept, 0 otherwise
-- @include common
local now = readNow()
local ends = now + tonumber(ARGV[2])

local known = redis.call('HMGET', KEYS[1], ARGV[1])[1]
if known then
  local knownEnd, byRule = string.match(known, '^(%d+)|(%d)|')
  local lasts = tonumber(knownEnd) > now
  if lasts and ARGV[3] == '1' and (byRule == '0' or tonumber(knownEnd) >= ends) then return 0 end
elseif redis.call('HLEN', KEYS[1]) >= tonumber(ARGV[5]) then
  -- Of a few, so that it costs the same however many there are: the one that ends first, and none by an operator.
  local bans = redis.call('HRANDFIELD', KEYS[1], 32, 'WITHVALUES')
  local first, firstEnd
  for index = 1, #bans, 2 do
    local knownEnd, byRule = string.match(bans[index + 1], '^(%d+)|(%d)|')
    knownEnd = tonumber(knownEnd)
    if (byRule == '1' or knownEnd <= now) and (not first or knownEnd < firstEnd) then first, firstEnd = bans[index], knownEnd end
  end
  if not first then return 0 end
  redis.call('HDEL', KEYS[1], first)
end
redis.call('HSET', KEYS[1], ARGV[1], text(ends) .. '|' .. ARGV[3] .. '|' .. ARGV[4])
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[2]) then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
redis.call('PUBLISH', ARGV[6], ARGV[7])
return 1
