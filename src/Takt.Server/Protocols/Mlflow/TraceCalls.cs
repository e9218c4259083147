using System.Globalization;
using System.Text;
using Microsoft.AspNetCore.Http;
using Takt.Runs;
using Takt.Runs.Traces;

namespace Takt.Server.Protocols.Mlflow;

/// <summary><c>mlflow/traces…</c> of both versions; <c>request_id</c> is what 2.x calls a trace's id.</summary>
sealed class TraceCalls(TraceLog traces, ArtifactFiles artifacts)
{
    const int MostFound = 500;
    const int MostTogether = 1000;
    const int LongestId = 250;
    const string SpansFile = "traces.json";

    /// <summary>How often, and after how many milliseconds each, one looks again for spans that are still on their way.</summary>
    static readonly int[] Patience = [100, 300, 600];

    static readonly string[] States = [TraceLog.Unspecified, TraceLog.Ok, TraceLog.Error, TraceLog.Running];

    public async Task Start(HttpContext http, MlflowRequest request)
    {
        var given = (request.ObjectOrNull("trace") ?? throw MlflowRequest.Missing("trace")).ObjectOrNull("trace_info") ?? throw MlflowRequest.Missing("trace_info");
        var id = given.Text("trace_id");
        if (id.Length > LongestId) throw TaktException.Invalid($"'trace_id' exceeds the maximum length of {LongestId} characters");
        var experiment = (given.ObjectOrNull("trace_location")?.ObjectOrNull("mlflow_experiment") ?? throw MlflowRequest.Missing("trace_location.mlflow_experiment")).Experiment();
        var trace = await traces.In(request.Workspace).Start(new TraceInfo
        {
            Id = id,
            Experiment = experiment,
            ClientRequest = given.TextOrNull("client_request_id"),
            RequestPreview = given.TextOrNull("request_preview"),
            ResponsePreview = given.TextOrNull("response_preview"),
            Started = ProtoTime.Milliseconds(given, "request_time") ?? 0,
            Duration = ProtoTime.Duration(given, "execution_duration"),
            State = State(given, "state") ?? TraceLog.Unspecified,
            Metadata = given.Map("trace_metadata"),
            Tags = Tags(given.Map("tags")),
            Assessments = given.Objects("assessments").ConvertAll(a => AssessmentJson.Read(a, id)),
        });
        await Answer(http, trace);
    }

    public Task Info(HttpContext http, MlflowRequest request) => Answer(http, traces.In(request.Workspace).Get(Id(http)));

    public async Task GetOne(HttpContext http, MlflowRequest request)
    {
        var id = request.Text("trace_id");
        var partial = string.Equals(request.TextOrNull("allow_partial"), "true", StringComparison.OrdinalIgnoreCase);
        for (var tries = 0; ; tries++)
        {
            if (traces.In(request.Workspace).WithSpans([id]) is not [var (trace, spans)]) throw TaktException.NotFound($"Trace with ID {id} is not found.");
            if (partial || TraceLog.Complete(trace, spans.Count))
            {
                await MlflowAnswer.Write(http, json =>
                {
                    json.WriteStartObject("trace");
                    TraceJson.Whole(json, trace, spans);
                    json.WriteEndObject();
                });
                return;
            }
            // a trace without a count of its spans has none on their way
            if (tries == Patience.Length || trace.Fact(TraceKeys.SizeStats) is null)
                throw TaktException.NotFound($"Trace with ID {id} is not fully exported yet, please try again later.");
            await Task.Delay(Patience[tries], http.RequestAborted);
        }
    }

    /// <summary>Those that are complete.</summary>
    public Task GetMany(HttpContext http, MlflowRequest request)
    {
        var found = traces.In(request.Workspace).WithSpans(Ids(request));
        return MlflowAnswer.Write(http, json =>
        {
            TraceJson.Array(json, "traces", found.Where(t => TraceLog.Complete(t.Trace, t.Spans.Count)), t => TraceJson.Whole(json, t.Trace, t.Spans));
        });
    }

    public Task Infos(HttpContext http, MlflowRequest request)
    {
        var found = traces.In(request.Workspace).Get(Ids(request));
        return MlflowAnswer.Write(http, json => TraceJson.Array(json, "trace_infos", found, trace => TraceJson.Info(json, trace)));
    }

    public Task Search(HttpContext http, MlflowRequest request)
    {
        if (request.RawOrNull("locations") is null) throw MlflowRequest.Missing("locations");
        var within = new List<long>();
        foreach (var location in request.Objects("locations"))
            if (location.ObjectOrNull("mlflow_experiment")?.IdOrNull("experiment_id") is { } id) Add(within, id);
        var page = Find(request, within);
        return MlflowAnswer.Write(http, json =>
        {
            TraceJson.Array(json, "traces", page.Traces, trace => TraceJson.Info(json, trace));
            if (page.Next is not null) json.WriteString("next_page_token", page.Next);
        });
    }

    public Task Search2(HttpContext http, MlflowRequest request)
    {
        var within = new List<long>();
        foreach (var id in request.GivenTexts("experiment_ids")) Add(within, id);
        var page = Find(request, within);
        return MlflowAnswer.Write(http, json =>
        {
            TraceJson.Array(json, "traces", page.Traces, trace => TraceJson.Info2(json, trace));
            if (page.Next is not null) json.WriteString("next_page_token", page.Next);
        });
    }

    public Task Correlate(HttpContext http, MlflowRequest request)
    {
        var within = new List<long>();
        foreach (var id in request.GivenTexts("experiment_ids")) Add(within, id);
        var found = traces.In(request.Workspace).Correlate(within, request.Text("filter_string1"), request.Text("filter_string2"), request.TextOrNull("base_filter"));
        return MlflowAnswer.Write(http, json =>
        {
            // what can't be told is left out
            if (!double.IsNaN(found.Npmi)) TraceJson.Real(json, "npmi", found.Npmi);
            if (!double.IsNaN(found.Smoothed)) TraceJson.Real(json, "npmi_smoothed", found.Smoothed);
            json.WriteNumber("filter1_count", found.First);
            json.WriteNumber("filter2_count", found.Second);
            json.WriteNumber("joint_count", found.Both);
            json.WriteNumber("total_count", found.All);
        });
    }

    public Task SetTag(HttpContext http, MlflowRequest request)
    {
        var key = request.Text("key");
        MlflowLimits.Name(key, "key");
        MlflowLimits.Key(key, "key");
        return Done(http, traces.In(request.Workspace).SetTag(Id(http), key, MlflowLimits.Tag(request.TextOrNull("value") ?? "")));
    }

    public Task DeleteTag(HttpContext http, MlflowRequest request) => Done(http, traces.In(request.Workspace).DeleteTag(Id(http), request.Text("key")));

    public async Task Delete(HttpContext http, MlflowRequest request)
    {
        var experiment = request.Experiment();
        var (upTo, most, ids) = (request.NumberOrNull("max_timestamp_millis"), request.NumberOrNull("max_traces"), request.Texts("request_ids"));
        if (ids.Count == 0) ids = request.Texts("trace_ids");
        if (upTo is null && ids.Count == 0) throw TaktException.Invalid("Either `max_timestamp_millis` or `trace_ids` must be specified.");
        if (upTo is not (null or 0) && ids.Count > 0) throw TaktException.Invalid("Only one of `max_timestamp_millis` and `trace_ids` can be specified.");
        if (ids.Count > 0 && most is not null) throw TaktException.Invalid("`max_traces` can't be specified if `trace_ids` is specified.");
        if (most <= 0) throw TaktException.Invalid($"`max_traces` must be a positive integer, received {most}.");
        var deleted = await traces.In(request.Workspace).Delete(experiment, ids, ids.Count > 0 ? null : upTo, most);
        await MlflowAnswer.Write(http, json => json.WriteNumber("traces_deleted", deleted));
    }

    public Task LinkToRun(HttpContext http, MlflowRequest request)
    {
        var ids = request.GivenTexts("trace_ids");
        foreach (var id in ids)
            if (id.Length is 0 or > LongestId) throw TaktException.Invalid($"Invalid value {MlflowLimits.Quoted(id)} for parameter 'trace_ids' supplied: an id has 1 to {LongestId} characters");
        return Done(http, traces.In(request.Workspace).LinkToRun(ids, request.Text("run_id")));
    }

    public Task LinkPrompts(HttpContext http, MlflowRequest request) =>
        Done(http, traces.In(request.Workspace).LinkPrompts(request.Text("trace_id"), request.Objects("prompt_versions").ConvertAll(p => $"{p.Text("name")}/{p.IdOrNull("version") ?? throw MlflowRequest.Missing("version")}")));

    /// <summary><c>get-trace-artifact</c>: the spans as a file, out of the database or as a 2.x client uploaded them.</summary>
    public async Task Artifact(HttpContext http, MlflowRequest request)
    {
        if (request.TextOrNull("request_id") is not { Length: > 0 } id)
        {
            await MlflowAnswer.Error(http, 400, "BAD_REQUEST", "Request must include the \"request_id\" query parameter.");
            return;
        }
        if (traces.In(request.Workspace).WithSpans([id]) is not [var (trace, spans)]) throw TaktException.NotFound($"Trace with ID {id} is not found.");
        http.Response.Headers.XContentTypeOptions = "nosniff";
        http.Response.Headers.ContentDisposition = $"attachment; filename={SpansFile}";
        if (trace.Tag(TraceKeys.SpansLocation) != TraceKeys.SpansInDatabase && TraceLog.FilesOf(id, trace.Tag(TraceKeys.ArtifactLocation), request.Workspace) is { } folder)
        {
            var content = await artifacts.Open($"{folder}/{SpansFile}", http.RequestAborted);
            await Results.Stream(content, "application/octet-stream").ExecuteAsync(http);
            return;
        }
        await Results.Bytes(Encoding.UTF8.GetBytes($"{{\"spans\": [{string.Join(", ", spans.Select(s => s.Content))}]}}"), "application/octet-stream").ExecuteAsync(http);
    }

    public async Task Start2(HttpContext http, MlflowRequest request)
    {
        var experiment = request.Experiment();
        var trace = await traces.In(request.Workspace).Start(new TraceInfo
        {
            Id = Guid.NewGuid().ToString("N"),
            Experiment = experiment,
            Started = request.NumberOrNull("timestamp_ms") ?? 0,
            State = TraceLog.Running,
            Metadata = request.Pairs("request_metadata"),
            Tags = Tags(request.Pairs("tags")),
        }, inDatabase: false);
        await Answer2(http, trace);
    }

    public async Task End2(HttpContext http, MlflowRequest request) => await Answer2(http, await traces.In(request.Workspace).End(Id(http), request.NumberOrNull("timestamp_ms") ?? 0,
        State(request, "status") ?? TraceLog.Unspecified, request.Pairs("request_metadata"), Tags(request.Pairs("tags"))));

    public Task Info2(HttpContext http, MlflowRequest request) => Answer2(http, traces.In(request.Workspace).Get(Id(http)));

    TracePage Find(MlflowRequest request, List<long> within)
    {
        var limit = request.NumberOrNull("max_results") ?? 100;
        if (limit > MostFound)
            throw TaktException.Invalid($"Invalid value {limit} for parameter 'max_results' supplied:  Hint: Value was of type 'int'. See the API docs for more information about request parameters.");
        if (limit < 1) throw TaktException.Invalid($"Invalid value {limit} for parameter 'max_results' supplied. It must be a positive integer");
        return traces.In(request.Workspace).Search(new TraceQuery(within, request.TextOrNull("filter"), request.Texts("order_by"), (int)limit, request.TextOrNull("page_token")));
    }

    static void Add(List<long> within, string id) => within.Add(
        long.TryParse(id, NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : throw TaktException.Invalid($"Invalid experiment ID '{id}': it must be a number"));

    static List<string> Ids(MlflowRequest request)
    {
        var ids = request.Texts("trace_ids");
        if (ids.Count == 0) throw MlflowRequest.Missing("trace_ids");
        return ids.Count <= MostTogether ? ids : throw TaktException.Invalid($"At most {MostTogether} traces can be asked for at once, not {ids.Count}");
    }

    /// <summary>The name of a state, or protobuf's number for it.</summary>
    static string? State(MlflowRequest request, string name)
    {
        if (request.IdOrNull(name) is not { Length: > 0 } text) return null;
        var state = text == "TRACE_STATUS_UNSPECIFIED" ? TraceLog.Unspecified : int.TryParse(text, out var n) && n >= 0 && n < States.Length ? States[n] : text;
        return States.Contains(state) ? state : throw MlflowRequest.Wrong(name, text);
    }

    static List<KeyValuePair<string, string>> Tags(List<KeyValuePair<string, string>> tags)
    {
        foreach (var (key, _) in tags) MlflowLimits.Key(key, "key");
        return tags.ConvertAll(t => KeyValuePair.Create(t.Key, MlflowLimits.Tag(t.Value)));
    }

    static string Id(HttpContext http) => (string)http.Request.RouteValues["id"]!;

    static async Task Done(HttpContext http, Task work)
    {
        await work;
        await MlflowAnswer.Empty(http);
    }

    static Task Answer(HttpContext http, TraceInfo trace) => MlflowAnswer.Write(http, json =>
    {
        json.WriteStartObject("trace");
        json.WriteStartObject("trace_info");
        TraceJson.Info(json, trace);
        json.WriteEndObject();
        json.WriteEndObject();
    });

    static Task Answer2(HttpContext http, TraceInfo trace) => MlflowAnswer.Write(http, json =>
    {
        json.WriteStartObject("trace_info");
        TraceJson.Info2(json, trace);
        json.WriteEndObject();
    });
}
