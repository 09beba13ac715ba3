-- Makes a client's unused tokens worthless.
--
-- KEYS[1]  {P}ClientTokens{id}  set  the client's tokens that may still be unused
-- ARGV[1]  {P}Token         what the key of a token begins with
-- Returns how many tokens were revoked.
local revoked = 0
for _, token in ipairs(redis.call('SMEMBERS', KEYS[1])) do
    revoked = revoked + redis.call('DEL', ARGV[1] .. token)
end
redis.call('DEL', KEYS[1])
return revoked
