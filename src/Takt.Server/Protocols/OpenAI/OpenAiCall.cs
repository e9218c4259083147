namespace Takt.Server.Protocols.OpenAI;

/// <summary>A kind of request that goes to an upstream.</summary>
/// <param name="Path">Behind <c>/v1</c>, here and there.</param>
/// <param name="Field">What it must have beside the model.</param>
/// <param name="Counted">The prediction log's column for how many of those there are.</param>
/// <param name="Operation">OpenTelemetry's <c>gen_ai.operation.name</c>.</param>
sealed record OpenAiCall(string Path, string Field, string Counted, string Operation)
{
    public static readonly OpenAiCall Chat = new("/chat/completions", "messages", "messages", "chat");
    public static readonly OpenAiCall Completion = new("/completions", "prompt", "prompts", "text_completion");
    public static readonly OpenAiCall Embedding = new("/embeddings", "input", "inputs", "embeddings");

    /// <summary>Whether its answer may come as a stream.</summary>
    public bool Streams => this != Embedding;
}
