-- A token admits one socket: it is gone as soon as it was read. (GETDEL needs 6.2.)
--
-- KEYS[1]  {P}Token{token}  string  {"Item1":id,"Item2":meta}
-- Returns the value, or nothing if the token is unknown, used or expired.
local value = redis.call('GET', KEYS[1])
if value then
    redis.call('DEL', KEYS[1])
end
return value
