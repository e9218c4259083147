using System.Text.Json.Nodes;
using Takt.Deployments;
using Takt.Models;

namespace Takt.Server.Protocols.OpenInference;

/// <summary>
/// Triton's configuration and statistics extensions: what a loaded revision takes and gives, and what it has answered since it was loaded. <see cref="GrpcFacts"/> says the same in messages.
/// </summary>
static class LoadedModelFacts
{
    /// <summary>What is not there, in the words of a Triton that was built without it.</summary>
    public static TaktException NoTraceSettings => new(TaktError.Unavailable, "the server does not support tracing");

    /// <inheritdoc cref="NoTraceSettings"/>
    public static TaktException NoLogSettings => new(TaktError.Unavailable, "the server does not support dynamic logging");

    public static TaktException NoSharedMemory => new(TaktError.NotSupported, "shared memory is not supported: send tensors in the request");

    /// <summary>The revisions that are asked for: of one endpoint, or of all; of one number, or all that are loaded.</summary>
    /// <exception cref="TaktException">NotFound: no such one is loaded.</exception>
    public static IReadOnlyList<(string Name, Slot Slot)> Slots(TaktApp app, string? model, string? version)
    {
        if (model is not null && (version is not null || app.Router.Find(model) is null)) return [(model, OpenInferenceApi.Require(app, model, version))];
        return (model is null ? app.Router.Endpoints.Order(StringComparer.Ordinal).ToList() : [model]).SelectMany(name => app.Router.Find(name) is { } route
            ? new[] { route.Champion, route.Challenger }.OfType<Slot>().Select(slot => (name, slot)).ToList() : []).ToList();
    }

    /// <summary>The tensors that the metadata tells too: name, Triton's type, whole shape, may be left out.</summary>
    public static (IReadOnlyList<(string Name, string Type, IReadOnlyList<long> Dims, bool Optional)> Inputs, IReadOnlyList<(string Name, string Type, IReadOnlyList<long> Dims, bool Optional)> Outputs) Tensors(Slot slot)
    {
        if (OpenInferenceApi.Told(slot.Model) is { } tensors) return (tensors.Inputs.Select(Of).ToList(), tensors.Outputs.Select(Of).ToList());
        return (slot.Model?.Signature.Inputs.Select(Of).ToList() ?? [], slot.Model?.Signature.Outputs.Select(Of).ToList() ?? []);

        static (string, string, IReadOnlyList<long>, bool) Of<T>(T field) => field switch
        {
            TensorField t => (t.Name, TypeOf(Tensor.NameOf(t.Type)), t.Shape, false),
            Field f => (f.Name, TypeOf(InferRequest.DataType(f.Type)), [-1], !f.Required),
            _ => throw new InvalidOperationException(),
        };
    }

    static string TypeOf(string datatype) => datatype == "BYTES" ? "TYPE_STRING" : "TYPE_" + datatype;

    /// <summary><c>onnx</c> of <c>onnx_onnxv1</c>.</summary>
    public static string Backend(Slot slot) => slot.Model?.Platform is { } platform ? platform.Split('_')[0] : "";

    /// <summary>Triton's names and order of the parts of an inference; count, and nanoseconds in all.</summary>
    public static IEnumerable<(string Name, long Count, long Nanoseconds)> Durations(SlotStats stats)
    {
        var (errors, requests) = (stats.Errors, stats.Requests);
        var answered = Math.Max(0, requests - errors);
        var computed = Nanoseconds(stats.Computed - stats.Failed);
        yield return ("success", answered, computed + Nanoseconds(stats.Queued));
        yield return ("fail", errors, Nanoseconds(stats.Failed));
        yield return ("queue", requests, Nanoseconds(stats.Queued));
        yield return ("compute_input", answered, 0); // reading and writing tensors is within compute_infer here, or not measured
        yield return ("compute_infer", answered, computed);
        yield return ("compute_output", answered, 0);
        yield return ("cache_hit", 0, 0);
        yield return ("cache_miss", 0, 0);
    }

    static JsonObject Duration(long count, long nanoseconds) => new() { ["count"] = count, ["ns"] = nanoseconds };

    internal static long Nanoseconds(TimeSpan time) => Math.Max(0, time.Ticks) * TimeSpan.NanosecondsPerTick;

    /// <summary>Milliseconds since 1970; 0: it was never asked.</summary>
    public static long LastInference(Slot slot, TimeProvider time) => slot.Stats.SinceLast is { } since ? (time.GetUtcNow() - since).ToUnixTimeMilliseconds() : 0;

    public static JsonObject Config(string model, Slot slot)
    {
        var (inputs, outputs) = Tensors(slot);
        return new JsonObject
        {
            ["name"] = model,
            ["platform"] = slot.Model?.Platform ?? "",
            ["backend"] = Backend(slot),
            ["version_policy"] = new JsonObject { ["specific"] = new JsonObject { ["versions"] = new JsonArray(slot.Revision.Number) } },
            ["max_batch_size"] = 0, // the dims are whole shapes
            ["input"] = new JsonArray([.. inputs.Select(t => Json(t, input: true))]),
            ["output"] = new JsonArray([.. outputs.Select(t => Json(t, input: false))]),
            ["instance_group"] = new JsonArray(new JsonObject { ["name"] = model, ["kind"] = "KIND_CPU", ["count"] = slot.Inside }),
        };
    }

    static JsonObject Json((string Name, string Type, IReadOnlyList<long> Dims, bool Optional) tensor, bool input)
    {
        var json = new JsonObject { ["name"] = tensor.Name, ["data_type"] = tensor.Type, ["dims"] = new JsonArray([.. tensor.Dims.Select(n => (JsonNode)n)]) };
        if (input) json["optional"] = tensor.Optional;
        return json;
    }

    public static JsonObject Statistics(IEnumerable<(string Name, Slot Slot)> slots, TimeProvider time) => new()
    {
        ["model_stats"] = new JsonArray([.. slots.Select(s => new JsonObject
        {
            ["name"] = s.Name,
            ["version"] = s.Slot.Version,
            ["last_inference"] = LastInference(s.Slot, time),
            ["inference_count"] = s.Slot.Stats.Rows,
            ["execution_count"] = Math.Max(0, s.Slot.Stats.Requests - s.Slot.Stats.Errors),
            ["inference_stats"] = new JsonObject(Durations(s.Slot.Stats).Select(d => KeyValuePair.Create(d.Name, (JsonNode?)Duration(d.Count, d.Nanoseconds)))),
            ["batch_stats"] = new JsonArray([.. s.Slot.Stats.Sizes.All().Select(size => new JsonObject
            {
                ["batch_size"] = size.Rows, // of requests: what was merged is not one here
                ["compute_input"] = Duration(size.Count, 0),
                ["compute_infer"] = Duration(size.Count, Nanoseconds(size.Took)),
                ["compute_output"] = Duration(size.Count, 0),
            })]),
        })]),
    };
}
