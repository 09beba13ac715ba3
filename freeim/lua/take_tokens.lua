-- A token admits one socket: it is gone as soon as it was read. (GETDEL needs 6.2.)
--
-- KEYS[1…] {P}Token{token}  string  {"Item1":id,"Item2":meta}
-- Returns the values; nil for a token that is unknown, used or expired.
local values = {}
for i, key in ipairs(KEYS) do
    values[i] = redis.call('GET', key)
    if values[i] then
        redis.call('DEL', key)
    end
end
return values
