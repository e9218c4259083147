using System.Text.Json.Nodes;

namespace Takt.Client;

/// <summary>Columns as tensors of the Open Inference Protocol, in JSON.</summary>
static class Scoring
{
    public static async Task<Prediction> Score(Wire wire, string endpoint, IReadOnlyDictionary<string, Array> inputs, IReadOnlyList<string>? keys, CancellationToken cancel)
    {
        if (inputs.Count == 0) throw new ArgumentException("no inputs", nameof(inputs));
        var rows = inputs.Values.First().Length;
        if (inputs.FirstOrDefault(i => i.Value.Length != rows) is { Key: { } odd }) throw new ArgumentException($"the column '{odd}' has {inputs[odd].Length} rows, others {rows}", nameof(inputs));
        var body = new JsonObject
        {
            ["inputs"] = new JsonArray([.. inputs.Select(i => new JsonObject { ["name"] = i.Key, ["shape"] = new JsonArray(rows), ["datatype"] = Type(i.Key, i.Value), ["data"] = Data(i.Value) })]),
        };
        if (keys is not null) body["parameters"] = new JsonObject { ["key"] = new JsonArray([.. keys.Select(k => (JsonNode?)k)]) };
        var answer = await wire.Post($"v2/models/{Wire.Query(endpoint)}/infer", body, cancel).ConfigureAwait(false);
        var parameters = answer["parameters"] as JsonObject;
        var id = Wire.Text(parameters, "prediction_id");
        return new Prediction(id.Length > 0 ? id : Wire.Text(answer, "id"), Wire.Text(parameters, "model"),
            (answer["outputs"] as JsonArray ?? []).OfType<JsonObject>().ToDictionary(o => Wire.Text(o, "name"), Values));
    }

    static string Type(string name, Array column) => column switch
    {
        double[] => "FP64",
        float[] => "FP32",
        long[] => "INT64",
        int[] => "INT32",
        bool[] => "BOOL",
        string[] => "BYTES",
        _ => throw new ArgumentException($"the column '{name}' is {column.GetType().GetElementType()?.Name}: double, float, long, int, bool or string are sent"),
    };

    static JsonArray Data(Array column) => column switch
    {
        double[] values => new JsonArray([.. values.Select(v => (JsonNode?)(double.IsFinite(v) ? v : null))]), // JSON has no NaN: a missing value
        float[] values => new JsonArray([.. values.Select(v => (JsonNode?)(float.IsFinite(v) ? v : null))]),
        long[] values => new JsonArray([.. values.Select(v => (JsonNode?)v)]),
        int[] values => new JsonArray([.. values.Select(v => (JsonNode?)v)]),
        bool[] values => new JsonArray([.. values.Select(v => (JsonNode?)v)]),
        _ => new JsonArray([.. ((string[])column).Select(v => (JsonNode?)v)]),
    };

    static Array Values(JsonObject output)
    {
        var data = output["data"] as JsonArray ?? [];
        return Wire.Text(output, "datatype") switch
        {
            "BYTES" => data.Select(d => d?.ToString() ?? "").ToArray(),
            "BOOL" => data.Select(d => d!.GetValue<bool>()).ToArray(),
            var type when type.Contains("INT", StringComparison.Ordinal) => data.Select(d => d!.GetValue<long>()).ToArray(),
            _ => data.Select(Wire.Number).ToArray(),
        };
    }
}
