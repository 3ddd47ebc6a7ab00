-- caldav_load: requests of CalDAV for wrk: a calendar of COUNT events e0.ics, e1.ics, … at BASE.
--
--   wrk … URL -- KIND BASE COUNT LOGIN [TOKEN]      KIND: put, get, query, sync
local kind, base, count, login, token, number = nil, nil, 0, nil, "", 0

local function event(n, round)
    -- As benches/caldav_fill.py has it, with another title in each round.
    local day, hour = n % 28 + 1, n % 9 + 8
    return string.format("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//bench//EN\r\nBEGIN:VEVENT\r\nUID:e%d\r\n" ..
        "DTSTAMP:20260101T000000Z\r\nDTSTART:20%02d%02d%02dT%02d0000Z\r\nDURATION:PT1H\r\nSUMMARY:Meeting %d, %d\r\n" ..
        "LOCATION:Room %d\r\nDESCRIPTION:%s\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n",
        n, 25 + n % 3, n % 12 + 1, day, hour, n, round, n % 40, string.rep("what is to be said ", 12))
end

function init(args)
    kind, base, count, login, token = args[1], args[2], tonumber(args[3]), args[4], args[5] or ""
    math.randomseed(os.time())
end

local bodies = {
    query = '<C:calendar-query xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav"><D:prop><D:getetag/>' ..
        '<C:calendar-data/></D:prop><C:filter><C:comp-filter name="VCALENDAR"><C:comp-filter name="VEVENT">' ..
        '<C:time-range start="2026%02d%02dT000000Z" end="2026%02d%02dT000000Z"/></C:comp-filter></C:comp-filter>' ..
        '</C:filter></C:calendar-query>',
    sync = '<D:sync-collection xmlns:D="DAV:"><D:sync-token>%s</D:sync-token><D:sync-level>1</D:sync-level>' ..
        '<D:prop><D:getetag/></D:prop></D:sync-collection>',
}

function request()
    local headers = {["Authorization"] = "Basic " .. login}
    number = number + 1
    if kind == "get" or kind == "put" then
        local n = math.random(0, count - 1)
        local path = base .. "e" .. n .. ".ics"
        if kind == "get" then return wrk.format("GET", path, headers) end
        headers["Content-Type"] = "text/calendar; charset=utf-8"
        return wrk.format("PUT", path, headers, event(n, number))
    end
    headers["Content-Type"] = "application/xml; charset=utf-8"
    headers["Depth"] = "1"
    if kind == "sync" then return wrk.format("REPORT", base, headers, string.format(bodies.sync, token)) end
    local month, day = math.random(1, 12), math.random(1, 20)
    return wrk.format("REPORT", base, headers, string.format(bodies.query, month, day, month, day + 7))
end
