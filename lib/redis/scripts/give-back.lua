-- Takes back what a rate has counted.
--
-- KEYS 1 rate
-- ARGV 1 emission interval in microseconds   2 burst   3 count
-- out  nothing
local arrival = tonumber(redis.call('GET', KEYS[1]) or '0')
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local before = arrival - ARGV[1] * ARGV[3]
if before <= now then
  redis.call('DEL', KEYS[1])
else
  redis.call('SET', KEYS[1], string.format('%.0f', before), 'PX', math.max(1, math.ceil((before - now) / 1000)))
end
