-- Takes from a rate as much as there is, up to what is wanted.
--
-- KEYS 1 rate
-- ARGV 1 emission interval in microseconds   2 burst   3 wanted
-- out  {taken, milliseconds until there is one more; 0 when all was taken}
local emission = tonumber(ARGV[1])
local wanted = tonumber(ARGV[3])
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local arrival = tonumber(redis.call('GET', KEYS[1]) or '0')
if arrival < now then arrival = now end
local room = now + emission * ARGV[2] - arrival
local taken = math.min(wanted, math.floor(room / emission))
if taken < 1 then return {0, math.ceil((emission - room) / 1000)} end
local following = arrival + emission * taken
redis.call('SET', KEYS[1], string.format('%.0f', following), 'PX', math.max(1, math.ceil((following - now) / 1000)))
if taken == wanted then return {taken, 0} end
return {taken, math.ceil((emission * (taken + 1) - room) / 1000)}
