-- A client leaves a channel; the number of members never falls below zero.
--
-- KEYS[1]  {P}Chan{chan}    hash  client id -> 0
-- KEYS[2]  {P}Client{id}    hash  chan -> 0
-- KEYS[3]  {P}ListChan      hash  chan -> number of members
-- ARGV[1]  client id
-- ARGV[2]  chan
-- Returns 1 if the client was a member, else 0.

-- Also when it was none: the original leaves such entries behind for ever.
redis.call('HDEL', KEYS[2], ARGV[2])
if redis.call('HDEL', KEYS[1], ARGV[1]) == 0 then
    return 0
end
if redis.call('HINCRBY', KEYS[3], ARGV[2], -1) <= 0 then
    redis.call('HDEL', KEYS[3], ARGV[2])
end
return 1
