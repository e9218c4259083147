using System.Diagnostics;
using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Takt.Data;

namespace Takt.Server.Protocols.OpenAI;

/// <summary>Reads the tokens that an answer cost while it passes through.</summary>
/// <param name="counted">The log's column for <paramref name="count"/>.</param>
sealed class UsageMeter(string counted, int count, bool stream)
{
    long? _prompt;
    long? _completion;

    public Table Inputs() => new([Column.Of(counted, [count]), Column.Of("stream", [stream])]);

    public Table Outputs() => new([Of("prompt_tokens", _prompt), Of("completion_tokens", _completion)]);

    /// <summary>What it cost, under the names of OpenTelemetry's GenAI conventions.</summary>
    public void Tell(Activity? span)
    {
        if (_prompt is { } input) span?.SetTag("gen_ai.usage.input_tokens", input);
        if (_completion is { } output) span?.SetTag("gen_ai.usage.output_tokens", output);
    }

    /// <summary>The usage of a plain answer.</summary>
    public void Read(byte[] body)
    {
        try
        {
            using var json = JsonDocument.Parse(body);
            Read(json.RootElement);
        }
        catch (JsonException)
        {
            // the caller gets what the upstream said; there is nothing to count in it
        }
    }

    /// <summary>Hands the events on as they come.</summary>
    /// <param name="keepUsage">False: the closing event with the usage, which the caller did not ask for, is left out.</param>
    public async Task CopyEvents(HttpResponseMessage answer, HttpContext http, bool keepUsage)
    {
        var stop = http.RequestAborted;
        http.Response.ContentType = "text/event-stream";
        http.Response.Headers.CacheControl = "no-cache";
        await http.Response.StartAsync(stop);
        using var reader = new StreamReader(await answer.Content.ReadAsStreamAsync(stop), Encoding.UTF8);
        var skipped = false;
        while (await reader.ReadLineAsync(stop) is { } line)
        {
            if (skipped && line.Length == 0)
            {
                skipped = false; // the blank line that ends the event left out
                continue;
            }
            if (line.StartsWith("data: {", StringComparison.Ordinal) && line.Contains("\"usage\"", StringComparison.Ordinal) && ReadEvent(line) && !keepUsage)
            {
                skipped = true;
                continue;
            }
            await http.Response.WriteAsync(line + "\n", stop);
            if (line.Length == 0) await http.Response.Body.FlushAsync(stop);
        }
        await http.Response.Body.FlushAsync(stop);
    }

    /// <returns>True for an event that holds nothing but the usage.</returns>
    bool ReadEvent(string line)
    {
        try
        {
            using var json = JsonDocument.Parse(line.AsMemory("data: ".Length));
            return Read(json.RootElement) && json.RootElement.TryGetProperty("choices", out var choices) && choices.ValueKind == JsonValueKind.Array && choices.GetArrayLength() == 0;
        }
        catch (JsonException)
        {
            return false;
        }
    }

    bool Read(JsonElement json)
    {
        if (json.ValueKind != JsonValueKind.Object || !json.TryGetProperty("usage", out var usage) || usage.ValueKind != JsonValueKind.Object) return false;
        _prompt = Count(usage, "prompt_tokens");
        _completion = Count(usage, "completion_tokens");
        return true;
    }

    static long? Count(JsonElement usage, string name) => usage.TryGetProperty(name, out var count) && count.ValueKind == JsonValueKind.Number && count.TryGetInt64(out var value) ? value : null;

    static Column Of(string name, long? value) => Column.Of(name, [value ?? 0], value is null ? [true] : null);
}
