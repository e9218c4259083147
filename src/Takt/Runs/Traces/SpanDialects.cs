using System.Text.Json;
using System.Text.RegularExpressions;

namespace Takt.Runs.Traces;

/// <summary>
/// What other instrumentations call a span's type, inputs, outputs and token counts (OpenInference, OpenTelemetry's GenAI conventions, Traceloop, Google ADK,
/// Vercel AI), under MLflow's names too. Attributes are kept values: JSON text each.
/// </summary>
static partial class SpanDialects
{
    static readonly (string Key, Dictionary<string, string> Types)[] Kinds =
    [
        ("openinference.span.kind", Same("TOOL", "CHAIN", "LLM", "RETRIEVER", "EMBEDDING", "AGENT", "RERANKER", "UNKNOWN", "GUARDRAIL", "EVALUATOR")),
        ("gen_ai.operation.name", new()
        {
            ["chat"] = "CHAT_MODEL", ["create_agent"] = "AGENT", ["embeddings"] = "EMBEDDING", ["execute_tool"] = "TOOL", ["generate_content"] = "LLM",
            ["invoke_agent"] = "AGENT", ["text_completion"] = "LLM", ["response"] = "LLM",
        }),
        ("traceloop.span.kind", new() { ["workflow"] = "WORKFLOW", ["task"] = "TASK", ["agent"] = "AGENT", ["tool"] = "TOOL", ["unknown"] = "UNKNOWN" }),
        ("ai.operationId", new()
        {
            ["ai.generateText"] = "LLM", ["ai.generateText.doGenerate"] = "LLM", ["ai.toolCall"] = "TOOL", ["ai.streamText"] = "LLM", ["ai.streamText.doStream"] = "LLM",
            ["ai.generateObject"] = "LLM", ["ai.generateObject.doGenerate"] = "LLM", ["ai.streamObject"] = "LLM", ["ai.streamObject.doStream"] = "LLM",
            ["ai.embed"] = "EMBEDDING", ["ai.embed.doEmbed"] = "EMBEDDING", ["ai.embedMany"] = "EMBEDDING",
        }),
    ];

    static readonly string[] Inputs =
    [
        "input.value", "gen_ai.input.messages", "gen_ai.tool.call.arguments", "traceloop.entity.input", "gcp.vertex.agent.llm_request", "gcp.vertex.agent.tool_call_args",
        "ai.prompt", "ai.toolCall.args", "ai.value", "ai.values",
    ];

    static readonly string[] Outputs =
    [
        "output.value", "gen_ai.output.messages", "gen_ai.tool.call.result", "traceloop.entity.output", "gcp.vertex.agent.llm_response", "gcp.vertex.agent.tool_response",
        "ai.response.text", "ai.toolCall.result", "ai.response.object", "ai.embedding", "ai.embeddings",
    ];

    static readonly (string Input, string Output, string? Total)[] Tokens =
    [
        ("llm.token_count.prompt", "llm.token_count.completion", "llm.token_count.total"),
        ("gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens", null),
        ("gen_ai.usage.prompt_tokens", "gen_ai.usage.completion_tokens", "llm.usage.total_tokens"),
    ];

    /// <summary>Adds what is missing; changes nothing that is there.</summary>
    public static void Translate(List<KeyValuePair<string, string>> attributes)
    {
        if (Find(attributes, TraceKeys.SpanType) is null && Type(attributes) is { } type) attributes.Add(new(TraceKeys.SpanType, JsonText.Of(type)));
        if (Find(attributes, TraceKeys.SpanInputs) is null && (First(attributes, Inputs) ?? Numbered(attributes, PromptKey())) is { } inputs) attributes.Add(new(TraceKeys.SpanInputs, inputs));
        if (Find(attributes, TraceKeys.SpanOutputs) is null && (First(attributes, Outputs) ?? Numbered(attributes, CompletionKey())) is { } outputs)
            attributes.Add(new(TraceKeys.SpanOutputs, outputs));
        if (Find(attributes, TraceKeys.SpanTokens) is not null) return;
        foreach (var (input, output, total) in Tokens)
            if (Count(attributes, input) is > 0 and var read && Count(attributes, output) is > 0 and var written)
            {
                var all = total is null ? null : Count(attributes, total);
                attributes.Add(new(TraceKeys.SpanTokens, $"{{\"input_tokens\": {read}, \"output_tokens\": {written}, \"total_tokens\": {all ?? read + written}}}"));
                return;
            }
    }

    static string? Type(List<KeyValuePair<string, string>> attributes)
    {
        foreach (var (key, types) in Kinds)
            if (Find(attributes, key) is { } kind && types.GetValueOrDefault(SpanText.Plain(kind)) is { } type) return type;
        return null;
    }

    static string? First(List<KeyValuePair<string, string>> attributes, string[] keys)
    {
        foreach (var key in keys)
            if (Find(attributes, key) is { } value && !Empty(value)) return value;
        return null;
    }

    static string? Numbered(List<KeyValuePair<string, string>> attributes, Regex key) => attributes.Find(a => key.IsMatch(a.Key) && !Empty(a.Value)).Value;

    static bool Empty(string kept) => kept is "null" or "\"\"" or "{}" or "[]" or "0" or "0.0" or "false" or "";

    static long? Count(List<KeyValuePair<string, string>> attributes, string key)
    {
        if (Find(attributes, key) is not { Length: < 32 } value) return null;
        try
        {
            using var json = JsonDocument.Parse(SpanText.Plain(value));
            return json.RootElement.ValueKind == JsonValueKind.Number && json.RootElement.TryGetDouble(out var number) && Math.Abs(number) < 1e15 ? (long)number : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    static string? Find(List<KeyValuePair<string, string>> attributes, string key) => attributes.Find(a => a.Key == key).Value;

    static Dictionary<string, string> Same(params string[] names) => names.ToDictionary(n => n);

    [GeneratedRegex(@"^gen_ai\.prompt\.\d+\.content$|^gen_ai\.completion\.\d+\.tool_calls\.\d+\.arguments$")]
    private static partial Regex PromptKey();

    [GeneratedRegex(@"^gen_ai\.completion\.\d+\.content$")]
    private static partial Regex CompletionKey();
}
