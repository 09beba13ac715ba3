-- A client becomes a member of a channel; a member stays one.
--
-- KEYS[1]  {P}Chan{chan}    hash  client id -> 0
-- KEYS[2]  {P}Client{id}    hash  chan -> 0
-- KEYS[3]  {P}ListChan      hash  chan -> number of members
-- ARGV[1]  client id
-- ARGV[2]  chan
-- Returns 1 if the client was no member before, else 0.
if redis.call('HSETNX', KEYS[1], ARGV[1], 0) == 0 then
    return 0
end
redis.call('HSET', KEYS[2], ARGV[2], 0)
redis.call('HINCRBY', KEYS[3], ARGV[2], 1)
return 1
