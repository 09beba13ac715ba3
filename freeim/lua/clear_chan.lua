-- Takes the given members out of a channel if they are offline at this moment, and mends
-- the channel's number of members.
--
-- KEYS[1]  {P}Chan{chan}    hash  client id -> 0
-- KEYS[2]  {P}ListChan      hash  chan -> number of members
-- KEYS[3]  {P}Online        hash  client id -> sockets on all nodes
-- ARGV[1]  chan
-- ARGV[2]  {P}Client        what the key of a client's channels begins with
-- ARGV[3…] client ids
-- Returns how many were taken out.
local removed = 0
for i = 3, #ARGV do
    if redis.call('HEXISTS', KEYS[3], ARGV[i]) == 0 then
        removed = removed + redis.call('HDEL', KEYS[1], ARGV[i])
        redis.call('HDEL', ARGV[2] .. ARGV[i], ARGV[1])
    end
end
local members = redis.call('HLEN', KEYS[1])
if members > 0 then
    redis.call('HSET', KEYS[2], ARGV[1], members)
else
    redis.call('HDEL', KEYS[2], ARGV[1])
end
return removed
