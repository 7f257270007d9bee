-- What would the candidate have answered? Copies of live requests go to it; nobody waits for what it says.
--
-- A live request is only looked at, and only every _EVERY_US. Its copy is sent after its own answer went out, by
-- tasks that take turns with HAProxy's other work. A candidate that is slow has copies dropped, not queued up.
-- All that is kept are counts, the newest times, and why the first answer differed: no request, no answer.

local QUEUED, AT_ONCE = 16, 2
local EVERY_US = 10000
local LARGEST = 12000 -- bytes of a body: what fits HAProxy's buffer beside its head
local TIMED = 1000
local WARM_UP = 10 -- copies whose times do not count: a server that was never asked is slow
local TIMEOUT_MS = 10000
local COPIES = "unix@/run/front/copies.sock"
local OF_THE_CONNECTION = {
    ["connection"] = true, ["content-length"] = true, ["expect"] = true, ["keep-alive"] = true,
    ["proxy-connection"] = true, ["te"] = true, ["trailer"] = true, ["transfer-encoding"] = true, ["upgrade"] = true,
}

local run = nil -- the comparison under way
local queue, first, last, busy = {}, 1, 0, 0

local function now_us()
    local now = core.now()
    return now.sec * 1000000 + now.usec
end

local function wanted(method, path)
    if method ~= "GET" and method ~= "POST" then return false end
    for _, start in ipairs(run.paths) do
        if path:sub(1, #start) == start then return true end
    end
    return false
end

core.register_action("shadow_choose", {"http-req"}, function(txn)
    if not run or not wanted(txn.f:method(), txn.f:path()) then return end
    local now = now_us()
    if now < run.next_at then return end
    if last - first + 1 + busy >= QUEUED then
        run.dropped = run.dropped + 1
        return
    end
    if (tonumber(txn.f:req_hdr("content-length") or 0) or 0) > LARGEST then return end
    run.next_at = now + EVERY_US
    txn:set_var("txn.shadow", true)
end)

core.register_action("shadow_keep", {"http-req"}, function(txn)
    local headers = {}
    for name, values in pairs(txn.http:req_get_headers()) do
        if not OF_THE_CONNECTION[name] then
            headers[name] = {}
            for index = 0, #values do headers[name][index + 1] = values[index] end
        end
    end
    txn:set_priv({
        run = run, method = txn.f:method(), path = txn.f:pathq(), body = txn.f:req_body() or "",
        port = txn:get_var("txn.shadow_port"),
        headers = headers, began = now_us(),
    })
end)

core.register_action("shadow_send", {"http-res"}, function(txn)
    local kept = txn:get_priv()
    if not run or not kept or kept.run ~= run then return end
    kept.took = now_us() - kept.began
    kept.status, kept.answer = txn.f:status(), txn.f:res_body() or ""
    kept.json = (txn.f:res_hdr("content-type") or ""):find("json", 1, true)
    last = last + 1
    queue[last] = kept
end)

local function string_at(text, from)
    local at = from + 1
    while at <= #text do
        local byte = text:byte(at)
        if byte == 34 then return text:sub(from, at) end
        at = at + (byte == 92 and 2 or 1)
    end
    return text:sub(from)
end

local function token_at(text, from)
    if text:byte(from) == 34 then return string_at(text, from) end
    return text:match("^[%w+.-]+", from) or text:sub(from, from)
end

-- Two JSON texts are equal when they differ in nothing but white space and, by no more than *tolerance*, in numbers.
local function where_differs(a, b, tolerance)
    local i, j = 1, 1
    while true do
        i, j = a:match("^%s*()", i), b:match("^%s*()", j)
        if i > #a and j > #b then return nil end
        local one, other = token_at(a, i), token_at(b, j)
        if one ~= other then
            local x, y = tonumber(one), tonumber(other)
            if not x or not y then return i end
            if math.abs(x - y) > tolerance * math.max(1, math.abs(x), math.abs(y)) then return i end
        end
        i, j = i + #one, j + #other
    end
end

local function difference(kept, said)
    if said.status ~= kept.status then return string.format("status %d, not %d", said.status, kept.status) end
    if said.body == kept.answer then return nil end
    local at = kept.json and where_differs(kept.answer, said.body or "", run.tolerance) or nil
    if at then return string.format("another answer from its byte %d on", at) end
    if not kept.json then return "another answer" end
    return nil
end

local function copy(kept)
    local client = core.httpclient()
    local headers = kept.headers
    headers["x-edgetender-shadow"] = {run.address .. ":" .. kept.port}
    local request = {url = "http://shadow" .. kept.path, headers = headers, dst = COPIES, timeout = TIMEOUT_MS}
    local ask = client.get
    if kept.method == "POST" then request.body, ask = kept.body, client.post end
    local began = now_us()
    local ok, said = pcall(ask, client, request)
    local took = now_us() - began
    if kept.run ~= run then return end
    run.compared = run.compared + 1
    if not ok or not said or not said.status or said.status == 0 then
        run.failed, run.why = run.failed + 1, run.why or "no answer"
        return
    end
    local why = difference(kept, said)
    if why then run.disagreed, run.why = run.disagreed + 1, run.why or why end
    if run.compared <= WARM_UP then return end
    local at = run.timed % TIMED + 1
    run.timed, run.live[at], run.copies[at] = run.timed + 1, kept.took, took
end

for _ = 1, AT_ONCE do
    core.register_task(function()
        while true do
            if first <= last then
                local kept = queue[first]
                queue[first], first, busy = nil, first + 1, busy + 1
                pcall(copy, kept)
                busy = busy - 1
            else
                core.msleep(run and 5 or 250)
            end
        end
    end)
end

local function forget()
    queue, first, last = {}, 1, 0
end

local function p95(times)
    local sorted = {table.unpack(times)}
    table.sort(sorted)
    return sorted[math.max(1, math.ceil(#sorted * 0.95))] or 0
end

core.register_cli({"shadow", "start"}, "shadow start <container> <address> <tolerance> <path>...",
    function(applet, _, _, container, address, tolerance, ...)
        if not (run and run.container == container and run.address == address) then
            forget()
            run = {
                container = container, address = address, tolerance = tonumber(tolerance) or 0, paths = {...},
                began = now_us(), next_at = 0, compared = 0, disagreed = 0, failed = 0, dropped = 0, timed = 0,
                live = {}, copies = {},
            }
        end
        applet:set_var("proc.shadow", true)
        applet:send("shadow started\n")
    end)

core.register_cli({"shadow", "stop"}, "shadow stop", function(applet)
    forget()
    run = nil
    applet:set_var("proc.shadow", false)
    applet:send("shadow stopped\n")
end)

core.register_cli({"show", "shadow"}, "show shadow", function(applet)
    if not run then
        applet:send("shadow none\n")
        return
    end
    applet:send(string.format("shadow %s %s %d %d %d %d %d %d %d %s\n", run.container, run.address,
        now_us() - run.began, run.compared, run.disagreed, run.failed, run.dropped, p95(run.live), p95(run.copies),
        run.why or ""))
end)
