-- A browser's GETs of short links. wrk -s redirects.lua URL -- CODES [SEED]
-- CODES is a file with a code on each line, asked for in turn, or "-" for random ones that no link has, which
-- SEED chooses. Prints one line of JSON.

local codes, following
local head = wrk.path:gsub("/$", "") .. "/s/"
local tail = table.concat({
  " HTTP/1.1",
  "Host: " .. wrk.host .. (wrk.port and ":" .. wrk.port or ""),
  "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0",
  "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
  "Accept-Language: de,en-US;q=0.7,en;q=0.3",
  "Accept-Encoding: gzip, deflate, br, zstd",
  "Referer: https://news.example.net/today",
  "Connection: keep-alive",
  "Upgrade-Insecure-Requests: 1",
  "Sec-Fetch-Dest: document",
  "Sec-Fetch-Mode: navigate",
  "Sec-Fetch-Site: cross-site",
  "Priority: u=0, i",
}, "\r\n") .. "\r\n\r\n"

function init(args)
  math.randomseed(tonumber(args[2]) or 0)
  if args[1] ~= "-" then
    codes = args[1]
    following = io.lines(codes)
  end
end

-- Line by line: held in a table, a million of them would have Lua's collector stop wrk for 70 ms at a time.
local function known()
  local code = following()
  if not code then
    following = io.lines(codes)
    code = following()
  end
  return code
end

local function unknown()
  return string.format("0%09d", math.random(0, 999999999))  -- longer than any code of ours
end

function request()
  return "GET " .. head .. (codes and known() or unknown()) .. tail
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '{"requests": %d, "seconds": %f, "p50": %f, "p99": %f, "refused": %d, "broken": %d}\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e6, latency:percentile(99) / 1e6,
    errors.status, errors.connect + errors.read + errors.write + errors.timeout
  ))
end
