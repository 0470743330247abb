-- Counts one more in a window from the first.
--
-- KEYS 1 counter
-- ARGV 1 window in ms
-- out  how many there are
local count = redis.call('GET', KEYS[1])
if not count then
  redis.call('SET', KEYS[1], '1', 'PX', ARGV[1])
  return 1
end
redis.call('SET', KEYS[1], string.format('%.0f', count + 1), 'KEEPTTL')
return count + 1
