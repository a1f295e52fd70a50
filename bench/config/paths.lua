-- Asks for the paths listed in a file, in that order and around again; each thread begins at its own place. Behind a tab a line
-- may have one more header.
-- Arguments after "--": the file, the Accept header.
local count = 0

function setup(thread)
  thread:set("number", count)
  count = count + 1
end

function init(arguments)
  requests = {}
  for line in io.lines(arguments[1]) do
    local path, name, value = line:match("^(%S+)\t([^:]+): (.*)$")
    local headers = {["Accept"] = arguments[2], ["Host"] = wrk.headers["Host"]}
    if name then
      headers[name] = value
    end
    requests[#requests + 1] = wrk.format("GET", path or line, headers)
  end
  place = math.floor(number * #requests / 2)
end

function request()
  place = place % #requests + 1
  return requests[place]
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '\nRESULT {"requests": %d, "microseconds": %d, "refused": %d, "broken": %d, "p99_us": %d, "longest_us": %d}\n',
    summary.requests, summary.duration, errors.status,
    errors.connect + errors.read + errors.write + errors.timeout, latency:percentile(99), latency.max))
end
