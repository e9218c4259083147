using System.Text.Json;
using Takt.Deployments;

namespace Takt.Server.Protocols.OpenInference;

/// <summary>Reads the JSON of an infer request: which tensors there are and where the data of each begins, not the data.</summary>
static class InferJson
{
    static readonly JsonReaderOptions Options = new() { MaxDepth = 16 };

    /// <exception cref="TaktException">Invalid: not JSON of this form.</exception>
    public static void Read(ReadOnlySpan<byte> body, InferRequest request)
    {
        try
        {
            var json = new Utf8JsonReader(body, Options);
            if (!json.Read() || json.TokenType != JsonTokenType.StartObject) throw TaktException.Invalid("the request must be a JSON object");
            while (json.Read() && json.TokenType == JsonTokenType.PropertyName)
            {
                if (json.ValueTextEquals("id"u8)) request.Id = Text(ref json, "id");
                else if (json.ValueTextEquals("parameters"u8)) Parameters(ref json, request);
                else if (json.ValueTextEquals("inputs"u8)) Inputs(ref json, body, request);
                else if (json.ValueTextEquals("outputs"u8)) Outputs(ref json, request);
                else json.Skip();
            }
            if (json.Read()) throw TaktException.Invalid("something follows the JSON object");
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException) // the second: a text that is no Unicode
        {
            throw new TaktException(TaktError.Invalid, $"the request is not JSON: {Why(body) ?? e.Message}", e);
        }
    }

    /// <summary>Says where, which a reader that was put behind a list does not know.</summary>
    static string? Why(ReadOnlySpan<byte> body)
    {
        try
        {
            for (var json = new Utf8JsonReader(body, Options); json.Read();) { }
            return null;
        }
        catch (JsonException e)
        {
            return e.Message;
        }
    }

    static void Parameters(ref Utf8JsonReader json, InferRequest request)
    {
        if (!Into(ref json, JsonTokenType.StartObject, "parameters")) return;
        while (json.Read() && json.TokenType == JsonTokenType.PropertyName)
        {
            if (json.ValueTextEquals("event_time"u8))
            {
                json.Read();
                request.EventTime = Time(ref json);
            }
            else if (json.ValueTextEquals("key"u8))
            {
                json.Read();
                request.Keys = Keys(ref json);
            }
            else if (json.ValueTextEquals("timeout"u8))
            {
                json.Read();
                request.Timeout = InferRequest.Microseconds(json.TokenType == JsonTokenType.Number && json.TryGetInt64(out var microseconds) ? microseconds : -1);
            }
            else if (json.ValueTextEquals("binary_data_output"u8))
            {
                json.Read();
                request.BinaryOutput = json.TokenType == JsonTokenType.True;
            }
            else json.Skip();
        }
    }

    static PredictionKeys Keys(ref Utf8JsonReader json)
    {
        var keys = new List<string>();
        if (json.TokenType == JsonTokenType.String) keys.Add(json.GetString()!);
        else if (json.TokenType == JsonTokenType.StartArray)
            while (json.Read() && json.TokenType == JsonTokenType.String) keys.Add(json.GetString()!);
        if (json.TokenType is not (JsonTokenType.String or JsonTokenType.EndArray)) throw TaktException.Invalid("parameters.key must be a text, or a list of texts, one a row");
        return new PredictionKeys(keys);
    }

    static DateTimeOffset Time(ref Utf8JsonReader json) => InferRequest.Time(json.TokenType == JsonTokenType.Number && json.TryGetInt64(out var milliseconds) ? milliseconds : null, json.TokenType == JsonTokenType.String ? json.GetString() : null);

    static void Inputs(ref Utf8JsonReader json, ReadOnlySpan<byte> body, InferRequest request)
    {
        var behind = 0; // where the reader was put last
        if (!Into(ref json, JsonTokenType.StartArray, "inputs")) return;
        while (json.Read() && json.TokenType == JsonTokenType.StartObject)
        {
            string name = "", dataType = "";
            long[]? shape = null;
            long from = -1;
            var bytes = -1;
            while (json.Read() && json.TokenType == JsonTokenType.PropertyName)
            {
                if (json.ValueTextEquals("name"u8)) name = Text(ref json, "name");
                else if (json.ValueTextEquals("datatype"u8)) dataType = Text(ref json, "datatype");
                else if (json.ValueTextEquals("shape"u8)) shape = Shape(ref json);
                else if (json.ValueTextEquals("data"u8))
                {
                    json.Read();
                    if (json.TokenType != JsonTokenType.StartArray) throw TaktException.Invalid($"data of input '{name}' must be a list");
                    from = behind + json.TokenStartIndex;
                    if (NumberList.Length(body[(int)from..]) is > 0 and var length)
                    {
                        behind = (int)from + length - 1;
                        json = new Utf8JsonReader(body[behind..], isFinalBlock: true, json.CurrentState);
                        json.Read(); // the list's end
                    }
                    else json.Skip();
                }
                else if (json.ValueTextEquals("parameters"u8)) bytes = BinarySize(ref json);
                else json.Skip();
            }
            if (name.Length == 0) throw TaktException.Invalid($"input {request.InputCount + 1} has no name");
            if (from < 0 && bytes < 0) throw TaktException.Invalid($"input '{name}' has no data");
            if (from >= 0 && bytes >= 0) throw TaktException.Invalid($"input '{name}' has both data and binary_data_size");
            if (shape is null) throw TaktException.Invalid($"input '{name}' has no shape");
            request.Add(new InferRequest.Tensor(name, dataType, shape, (int)from, bytes));
        }
        if (json.TokenType != JsonTokenType.EndArray) throw TaktException.Invalid("inputs must hold objects");
    }

    /// <returns>-1: the tensor is JSON.</returns>
    static int BinarySize(ref Utf8JsonReader json)
    {
        if (!Into(ref json, JsonTokenType.StartObject, "parameters")) return -1;
        var size = -1;
        while (json.Read() && json.TokenType == JsonTokenType.PropertyName)
            if (json.ValueTextEquals("binary_data_size"u8))
            {
                json.Read();
                if (json.TokenType != JsonTokenType.Number || !json.TryGetInt32(out size) || size < 0) throw TaktException.Invalid("binary_data_size must be a number of bytes");
            }
            else json.Skip();
        return size;
    }

    static void Outputs(ref Utf8JsonReader json, InferRequest request)
    {
        if (!Into(ref json, JsonTokenType.StartArray, "outputs")) return;
        while (json.Read() && json.TokenType == JsonTokenType.StartObject)
        {
            var name = "";
            bool? binary = null;
            while (json.Read() && json.TokenType == JsonTokenType.PropertyName)
                if (json.ValueTextEquals("name"u8)) name = Text(ref json, "name");
                else if (json.ValueTextEquals("parameters"u8))
                {
                    if (!Into(ref json, JsonTokenType.StartObject, "parameters")) continue;
                    while (json.Read() && json.TokenType == JsonTokenType.PropertyName)
                        if (json.ValueTextEquals("classification"u8)) throw new TaktException(TaktError.NotSupported, $"output '{name}': classification is not supported");
                        else if (json.ValueTextEquals("shared_memory_region"u8)) throw new TaktException(TaktError.NotSupported, $"output '{name}' is wanted in shared memory, which this server does not write");
                        else if (!json.ValueTextEquals("binary_data"u8)) json.Skip();
                        else if (json.Read()) binary = json.TokenType == JsonTokenType.True;
                }
                else json.Skip();
            if (name.Length == 0) throw TaktException.Invalid($"output {request.Outputs.Count + 1} has no name");
            request.Add(name, binary);
        }
        if (json.TokenType != JsonTokenType.EndArray) throw TaktException.Invalid("outputs must hold objects");
    }

    static long[] Shape(ref Utf8JsonReader json)
    {
        const int MostDimensions = 8;
        json.Read();
        if (json.TokenType != JsonTokenType.StartArray) throw TaktException.Invalid("shape must be a list of numbers");
        var shape = new List<long>(2);
        while (json.Read() && json.TokenType == JsonTokenType.Number)
        {
            if (!json.TryGetInt64(out var n) || n < 0) throw TaktException.Invalid($"shape holds {System.Text.Encoding.UTF8.GetString(json.ValueSpan)}; whole numbers from 0 on are allowed");
            shape.Add(n);
            if (shape.Count > MostDimensions) throw TaktException.Invalid($"shape has over {MostDimensions} dimensions");
        }
        if (json.TokenType != JsonTokenType.EndArray) throw TaktException.Invalid("shape must be a list of numbers");
        return [.. shape];
    }

    static string Text(ref Utf8JsonReader json, string name)
    {
        json.Read();
        return json.TokenType == JsonTokenType.String ? json.GetString()! : throw TaktException.Invalid($"{name} must be a text");
    }

    static bool Into(ref Utf8JsonReader json, JsonTokenType token, string name)
    {
        json.Read();
        if (json.TokenType == token) return true;
        if (json.TokenType == JsonTokenType.Null) return false;
        throw TaktException.Invalid($"{name} must be {(token == JsonTokenType.StartArray ? "a list" : "an object")}");
    }
}
