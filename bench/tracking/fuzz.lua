-- For wrk: made-up filters, orders, queries and bodies for every JSON call of the tracking server and the registry. fuzz.sh starts it.
-- RUN, EXPERIMENT, TRACE, ASSESSMENT, DATASET, MODEL, WEBHOOK: what is there; SEED: other inputs for another number. An answer of 500 and more is printed with what was sent.
local api = "/api/2.0/mlflow/"
local run, experiment, trace = os.getenv("RUN"), os.getenv("EXPERIMENT"), os.getenv("TRACE")

local posts = {
    "experiments/create", "experiments/search", "experiments/update", "experiments/delete", "experiments/restore", "experiments/set-experiment-tag", "experiments/delete-experiment-tag",
    "experiments/search-datasets", "runs/create", "runs/update", "runs/delete", "runs/restore", "runs/search", "runs/log-metric", "runs/log-parameter", "runs/log-batch", "runs/set-tag",
    "runs/delete-tag", "runs/log-model", "runs/log-inputs", "runs/outputs", "logged-models", "logged-models/search",
    "registered-models/create", "registered-models/rename", "registered-models/set-tag", "registered-models/alias", "registered-models/get-latest-versions", "PATCH registered-models/update",
    "DELETE registered-models/delete", "DELETE registered-models/delete-tag", "DELETE registered-models/alias", "model-versions/create", "model-versions/transition-stage", "model-versions/set-tag",
    "PATCH model-versions/update", "DELETE model-versions/delete", "DELETE model-versions/delete-tag", "webhooks", "/graphql",
    "/ajax-api/2.0/mlflow/runs/create-promptlab-run", "/ajax-api/2.0/mlflow/gateway-proxy", "/api/2.0/mlflow-artifacts/mpu/create/0/a", "/api/2.0/mlflow-artifacts/mpu/complete/0/a",
    "/api/2.0/mlflow-artifacts/mpu/abort/0/a", "PUT /api/2.0/mlflow-artifacts/mpu/parts/x/1", "/api/3.0/mlflow/workspaces", "PATCH /api/3.0/mlflow/workspaces/default",
    "/api/3.0/mlflow/traces", "/api/3.0/mlflow/traces/search", "/api/3.0/mlflow/datasets/create", "/api/3.0/mlflow/datasets/search", "/api/3.0/mlflow/scorers/register",
    "DELETE /api/3.0/mlflow/scorers/delete", "PUT /api/3.0/mlflow/scorers/online-config", "/api/3.0/mlflow/traces/batchGetInfos", "/api/3.0/mlflow/traces/calculate-filter-correlation", "traces", "PATCH traces/TRACE",
    "traces/delete-traces", "traces/link-to-run", "/api/3.0/mlflow/traces/link-prompts", "PATCH traces/TRACE/tags", "DELETE traces/TRACE/tags", "/api/3.0/mlflow/traces/TRACE/assessments",
    "PATCH /api/3.0/mlflow/traces/TRACE/assessments/ASSESSMENT", "DELETE /api/3.0/mlflow/traces/TRACE/assessments/ASSESSMENT", "PATCH /api/3.0/mlflow/datasets/DATASET/tags", "/api/3.0/mlflow/datasets/DATASET/records",
    "DELETE /api/3.0/mlflow/datasets/DATASET/records", "/api/3.0/mlflow/datasets/DATASET/add-experiments", "/api/3.0/mlflow/datasets/DATASET/remove-experiments", "DELETE /api/3.0/mlflow/datasets/DATASET",
    "PATCH logged-models/MODEL", "PATCH logged-models/MODEL/tags", "logged-models/MODEL/params", "DELETE logged-models/MODEL", "DELETE logged-models/MODEL/tags/a", "PATCH webhooks/WEBHOOK", "DELETE webhooks/WEBHOOK",
    "artifacts/presigned-upload-url", "/v1/traces", "/api/v1/deployments/nobody/labels", "/api/v1/gc", "/api/v1/workspaces/w", "DELETE /api/v1/workspaces/w",
}
local gets = { "experiments/get", "experiments/get-by-name", "experiments/search", "runs/get", "metrics/get-history", "metrics/get-history-bulk", "metrics/get-history-bulk-interval", "artifacts/list",
    "registered-models/get", "registered-models/search", "registered-models/alias", "model-versions/get", "model-versions/search", "model-versions/get-download-uri", "webhooks",
    "traces", "traces/TRACE/info", "get-trace-artifact", "/api/3.0/mlflow/traces/get", "/api/3.0/mlflow/traces/batchGet", "/api/3.0/mlflow/traces/TRACE", "/api/3.0/mlflow/traces/TRACE/assessments/ASSESSMENT",
    "/api/3.0/mlflow/datasets/search", "/api/3.0/mlflow/datasets/DATASET", "/api/3.0/mlflow/datasets/DATASET/records", "/api/3.0/mlflow/datasets/DATASET/experiment-ids", "/api/3.0/mlflow/scorers/list",
    "/api/3.0/mlflow/scorers/versions", "/api/3.0/mlflow/scorers/get", "/api/3.0/mlflow/scorers/online-configs", "logged-models/MODEL", "logged-models/MODEL/artifacts/directories", "logged-models/MODEL/artifacts/files",
    "webhooks/WEBHOOK", "/api/2.0/mlflow-artifacts/artifacts", "/api/v1/runs", "/api/v1/lineage", "/api/v1/lineage/uses", "/api/v1/alerts", "/api/v1/gc", "/api/v1/triggers", "/get-artifact", "/model-versions/get-artifact" }
local searches = { "runs/search", "experiments/search", "logged-models/search", "/api/3.0/mlflow/traces/search", "/api/3.0/mlflow/datasets/search" }
local names = {
    "run_id", "run_uuid", "experiment_id", "experiment_ids", "experiment_name", "name", "new_name", "key", "value", "timestamp", "step", "metrics", "params", "tags", "filter", "order_by", "max_results",
    "page_token", "run_view_type", "view_type", "status", "end_time", "start_time", "run_name", "user_id", "model_id", "dataset_name", "dataset_digest", "datasets", "dataset", "digest", "models",
    "model_json", "source", "source_type", "schema", "profile", "metric_key", "run_ids", "start_step", "end_step", "field_name", "ascending", "artifact_location", "model_type", "source_run_id", "path",
    "version", "alias", "stage", "stages", "description", "archive_existing_versions", "run_link", "url", "events", "secret", "num_parts", "upload_id", "parts", "part_number", "etag", "gateway_path",
    "json_data", "prompt_template", "prompt_parameters", "model_route", "model_parameters", "model_input", "model_output", "trace", "trace_info", "trace_id", "trace_location", "locations",
    "query", "variables", "serialized_scorer", "records", "trace_ids", "request_ids", "request_id", "max_traces", "max_timestamp_millis", "prompts", "assessment", "assessment_name", "feedback", "expectation",
    "rationale", "update_mask", "inputs", "expectations", "outputs", "dataset_id", "dataset_ids", "dataset_record_ids", "request_metadata", "timestamp_ms", "execution_time_ms", "state", "filter_string1", "filter_string2", "base_filter",
    "sample_rate", "scorer_id", "resourceSpans", "resource", "scopeSpans", "spans", "traceId", "spanId", "startTimeUnixNano", "attributes", "labels", "id", "label", "artifact_path", "root", "limit", "search",
}
local pieces = {
    "metrics.", "params.", "tags.", "attributes.", "dataset.", "a", "run_id", "start_time", "end_time", "status", "name", "`", "\"", "'", "''", "=", "!=", ">", "<=", "~", " AND ", " OR ",
    " IN ", " NOT IN ", " LIKE ", " ILIKE ", " RLIKE ", " IS NULL", " IS NOT NULL", "(", ")", ",", "1", "-1", "1e999", "NaN", "9223372036854775808", " ", "%", "_", "[", "*", "\\", "é", "😀", "\226\128\174",
    "metrics.m > 0.5", "params.p = 'v'", "tags.`a b` LIKE '%x%'", "attributes.run_name ILIKE 'R%'", "dataset.name IN ('d', 'e')", " DESC", " ASC", ";", "--", "/*", "{", "}", "$v", "query", "mlflowGetRun", "input:",
}
local texts = { "m", "p", "a/b", "../x", "", "NaN", "-Infinity", "FINISHED", "ALL", "1", "-1", "1e3", "9223372036854775807", "eyJvZmZzZXQiOiAzfQ==", "metrics.m", "ключ", "😀", "{}", "[1]" }

local function of(list) return list[math.random(#list)] end

local function filter(most)
    local some = {}
    for i = 1, math.random(0, most) do some[i] = math.random(20) == 1 and "run_id = '" .. run .. "'" or of(pieces) end
    return table.concat(some)
end

local function text()
    local kind = math.random(15)
    if kind <= 3 then return math.random(6) == 1 and trace or run elseif kind <= 6 then return experiment elseif kind <= 10 then return of(texts) elseif kind <= 14 then return filter(8) end
    return string.rep("x", math.random(9000))
end

local function quoted(value)
    return '"' .. value:gsub('[%c"\\]', function(c) return string.format("\\u%04x", c:byte()) end) .. '"'
end

local node
local function object(depth, with)
    local some = { unpack(with or {}) }
    for _ = 1, math.random(0, with and 3 or 8) do some[#some + 1] = quoted(of(names)) .. ":" .. node(depth) end
    return "{" .. table.concat(some, ",") .. "}"
end

node = function(depth)
    local kind = math.random(depth > 0 and 16 or 10)
    if kind <= 4 then return quoted(text()) elseif kind == 5 then return tostring(math.random(-5, 2000)) elseif kind == 6 then return string.format("%d%09d", math.random(-900000000, 900000000), math.random(0, 999999999))
    elseif kind == 7 then return string.format("%.17g", (math.random() - 0.5) * 10 ^ math.random(-300, 300)) elseif kind == 8 then return "true" elseif kind == 9 then return "false" elseif kind == 10 then return "null"
    elseif kind <= 12 then
        local items = {}
        for i = 1, math.random(0, 4) do items[i] = node(depth - 1) end
        return "[" .. table.concat(items, ",") .. "]"
    end
    return object(depth - 1)
end

local function encoded(value) return (value:gsub("[^%w]", function(c) return string.format("%%%02X", c:byte()) end)) end

local function placed(path)
    path = path:gsub("%u%u%u%u%u+", os.getenv)
    return path:sub(1, 1) == "/" and path or api .. path
end

local sent = "" -- of the last request of this thread: each has one connection, so it is the one that is answered
local function send(method, path, body)
    sent = method .. " " .. path .. " " .. (body or "")
    return wrk.format(method, path, { ["Content-Type"] = "application/json" }, body)
end

local threads = {}
function setup(thread)
    threads[#threads + 1] = thread
    thread:set("number", #threads)
end

taken = 0
function init()
    math.randomseed(tonumber(os.getenv("SEED")) * 1000 + number)
    for _ = 1, 10 do math.random() end
end

function request()
    local kind = math.random(10)
    if kind <= 5 then
        local call = of(posts)
        local method, path = call:match("^(%u+) (.+)$")
        method, path = method or "POST", path or call
        -- what a call wants is often there, so that the rest is reached
        local with = math.random(4) > 1 and { '"run_id":' .. quoted(run), '"experiment_id":' .. quoted(experiment), '"key":"k"', '"value":' .. (path == "runs/log-metric" and "1" or '"v"'), '"timestamp":1',
            '"experiment_ids":[' .. quoted(experiment) .. "]" } or nil
        return send(method, placed(path), object(2, with))
    elseif kind <= 8 then
        local order = math.random(3) == 1 and ',"order_by":[' .. quoted(filter(10)) .. "]" or ""
        return send("POST", placed(of(searches)), '{"experiment_ids":[' .. quoted(experiment) .. '],"max_results":3,"filter":' .. quoted(filter(10)) .. order .. "}")
    end
    local query = {}
    for i = 1, math.random(0, 5) do query[i] = of(names) .. "=" .. encoded(text():sub(1, 500)) end
    return send("GET", placed(of(gets)) .. "?" .. table.concat(query, "&"))
end

function response(status, _, body)
    if status < 300 then taken = taken + 1 end
    if status >= 500 and status ~= 501 then io.stderr:write(status, " ", sent:sub(1, 2000), " -> ", body:sub(1, 500), "\n") end
end

function done(summary, latency)
    local faults, all = summary.errors, 0
    for _, thread in ipairs(threads) do all = all + thread:get("taken") end
    io.write(string.format("%d %d %d %d %d\n", summary.requests, all, faults.timeout, faults.connect + faults.read + faults.write, latency.max / 1000))
end
