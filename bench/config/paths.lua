-- Asks for the paths listed in a file, in that order and around again; each thread begins at its own place.
-- Arguments after "--": the file, the Accept header.
local count = 0

function setup(thread)
  thread:set("number", count)
  count = count + 1
end

function init(arguments)
  requests = {}
  for path in io.lines(arguments[1]) do
    requests[#requests + 1] = wrk.format("GET", path, {["Accept"] = arguments[2], ["Host"] = wrk.headers["Host"]})
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
