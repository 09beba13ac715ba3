-- A node says how many sockets of a client it holds now. The number is absolute: saying
-- it twice changes nothing. Each socket of difference is one event, as in the original,
-- with the client's sockets anywhere after it as Item3. With the last socket anywhere
-- the client leaves its channels.
--
-- KEYS[1]  {P}Online        hash  client id -> sockets on all nodes
-- KEYS[2]  {P}Node{node}    hash  client id -> sockets on this node
-- KEYS[3]  {P}Client{id}    hash  chan -> 0
-- KEYS[4]  {P}ListChan      hash  chan -> number of members
-- ARGV[1]  client id
-- ARGV[2]  sockets of the client on this node
-- ARGV[3]  the token's JSON object without its closing brace
-- ARGV[4]  evt_{P}Online    channel
-- ARGV[5]  evt_{P}Offline   channel
-- ARGV[6]  {P}Chan          what the key of a channel begins with
-- Returns the client's sockets on all nodes.
local id, sockets = ARGV[1], tonumber(ARGV[2])
local held = tonumber(redis.call('HGET', KEYS[2], id) or '0')
local total = tonumber(redis.call('HGET', KEYS[1], id) or '0')
if sockets == held then
    return total
end

if sockets > 0 then
    redis.call('HSET', KEYS[2], id, sockets)
else
    redis.call('HDEL', KEYS[2], id)
end

local before = total
total = math.max(total + sockets - held, 0)
if total > 0 then
    redis.call('HSET', KEYS[1], id, total)
else
    redis.call('HDEL', KEYS[1], id)
    for _, chan in ipairs(redis.call('HKEYS', KEYS[3])) do
        if redis.call('HDEL', ARGV[6] .. chan, id) == 1
            and redis.call('HINCRBY', KEYS[4], chan, -1) <= 0 then
            redis.call('HDEL', KEYS[4], chan)
        end
    end
    redis.call('DEL', KEYS[3])
end

local step, channel = 1, ARGV[4]
if sockets < held then
    step, channel = -1, ARGV[5]
end
local count = before
for _ = 1, math.abs(sockets - held) do
    count = math.max(count + step, 0)
    redis.call('PUBLISH', channel, ARGV[3] .. ',"Item3":' .. count .. '}')
end
return total
