-- Generic cell rate algorithm, in microseconds: one number a key. Answers the milliseconds to wait, 0 when it is allowed.

local function takeRate(key, emission, burst, cost)
  local time = redis.call('TIME')
  local now = time[1] * 1000000 + time[2]
  local arrival = tonumber(redis.call('GET', key) or '0')
  if arrival < now then arrival = now end
  local following = arrival + emission * cost
  local over = following - emission * burst - now
  if over > 0 then return math.ceil(over / 1000) end
  redis.call('SET', key, string.format('%.0f', following), 'PX', math.max(1, math.ceil((following - now) / 1000)))
  return 0
end
