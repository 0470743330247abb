-- Spends a ticket that is known, whatever the comparison says; leaves an unknown one alone.
-- presented: use, origin, path, session; an origin, path or session that is not there is an empty text, others begin with '='.
-- Answers 'consumed' and the ticket's fields, or 'unknown' | 'replayed' | 'mismatch' and what differs.

local function ticketMismatch(ticket, userHash, presented)
  if ticket[1] ~= presented.use then return 'use' end
  if ticket[2] ~= '' and ticket[2] ~= presented.origin then return 'origin' end
  if ticket[3] ~= '' and ticket[3] ~= presented.path then return 'path' end
  if presented.session == '' then
    if ticket[4] == '1' then return 'cookie' end
    return nil
  end
  if ticket[5] ~= '' then
    if '=' .. ticket[5] ~= presented.session then return 'session' end
    return nil
  end
  if string.sub(presented.session, 2, #userHash + 2) ~= userHash .. '.' then return 'session' end
  return nil
end

local function spendTicket(key, prefix, hash, userHash, run, presented, now)
  local ticket = redis.call('HMGET', key, 'us', 'og', 'pa', 'rc', 'si', 'pr', 'na', 'au', 'th', 'tx', 'se', 'x', 'sp', 'ru', 'uh', 'lx', 'at')
  if not ticket[1] or ticket[15] ~= userHash then return 'unknown' end
  if ticket[13] then return 'replayed' end
  -- Written by a server that was another then: after a failover nobody can tell whether it was spent there.
  if tonumber(ticket[12]) <= now or ticket[14] ~= run then return 'unknown' end
  redis.call('HSET', key, 'sp', '1')
  local owner = ticket[5] ~= '' and ticket[5] or userHash
  redis.call('ZREM', prefix .. 'o:' .. owner, hash)
  local binding = ticketMismatch(ticket, userHash, presented)
  if binding then return 'mismatch', binding end
  return 'consumed', ticket
end
