-- The sockets of a client on one node become a number. The number is absolute: saying it
-- twice changes nothing. Each socket of difference is one event, as in the original, with
-- the client's sockets anywhere after it as Item3. The first and the last socket anywhere
-- are an entry in the stream, too, and with the last one the client leaves its channels.
--
-- KEYS[1]  {P}Online        hash    client id -> sockets on all nodes
-- KEYS[2]  {P}Node{node}    hash    client id -> sockets on this node
-- KEYS[3]  {P}Meta{node}    hash    client id -> ARGV[3] of the last socket
-- KEYS[4]  {P}Client{id}    hash    chan -> 0
-- KEYS[5]  {P}ListChan      hash    chan -> number of members
-- KEYS[6]  {P}Nodes         hash    node -> number of its last word
-- KEYS[7]  {P}Lease{node}   string  there while the node lives
-- KEYS[8]  {P}Presence      stream  kind, value: what clients did
-- ARGV[1]  client id
-- ARGV[2]  sockets of the client on this node
-- ARGV[3]  the token's JSON object without its closing brace
-- ARGV[4]  evt_{P}Online    channel
-- ARGV[5]  evt_{P}Offline   channel
-- ARGV[6]  {P}Chan          what the key of a channel begins with
-- ARGV[7]  node
-- ARGV[8]  entries that the stream keeps
-- ARGV[9]  number of this word, higher than those before; or 'reap' if another node says
--          it because this one is dead
-- Returns the client's sockets on all nodes; -1 if the node to be reaped lives.
local id, sockets, value, node = ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[7]
if ARGV[9] == 'reap' then
    if redis.call('EXISTS', KEYS[7]) == 1 then
        return -1
    end
    value = redis.call('HGET', KEYS[3], id) or value
end
local held = tonumber(redis.call('HGET', KEYS[2], id) or '0')
local total = tonumber(redis.call('HGET', KEYS[1], id) or '0')
if ARGV[9] ~= 'reap' then
    -- A word whose answer was late may come after those that were said since, from a
    -- connection that was given up: it is old, and will be or was said again.
    if tonumber(ARGV[9]) < tonumber(redis.call('HGET', KEYS[6], node) or '0') then
        return total
    end
    -- So whoever holds a count is also found when it is dead.
    redis.call('HSET', KEYS[6], node, ARGV[9])
end
if sockets == held then
    return total
end

if sockets > 0 then
    redis.call('HSET', KEYS[2], id, sockets)
    redis.call('HSET', KEYS[3], id, value)
else
    redis.call('HDEL', KEYS[2], id)
    redis.call('HDEL', KEYS[3], id)
end

local before = total
total = math.max(total + sockets - held, 0)
if total > 0 then
    redis.call('HSET', KEYS[1], id, total)
else
    redis.call('HDEL', KEYS[1], id)
    for _, chan in ipairs(redis.call('HKEYS', KEYS[4])) do
        if redis.call('HDEL', ARGV[6] .. chan, id) == 1
            and redis.call('HINCRBY', KEYS[5], chan, -1) <= 0 then
            redis.call('HDEL', KEYS[5], chan)
        end
    end
    redis.call('DEL', KEYS[4])
end

local step, channel = 1, ARGV[4]
if sockets < held then
    step, channel = -1, ARGV[5]
end
local count = before
for _ = 1, math.abs(sockets - held) do
    count = math.max(count + step, 0)
    redis.call('PUBLISH', channel, value .. ',"Item3":' .. count .. '}')
end
if (before == 0) ~= (total == 0) then
    local kind = total > 0 and 'online' or 'offline'
    redis.call('XADD', KEYS[8], 'MAXLEN', '~', ARGV[8], '*',
        'kind', kind, 'value', value .. ',"Item3":' .. total .. '}')
end
return total
