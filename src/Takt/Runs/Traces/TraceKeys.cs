namespace Takt.Runs.Traces;

/// <summary>The names that MLflow's clients give to a trace's tags and metadata and to a span's attributes.</summary>
public static class TraceKeys
{
    public const string Name = "mlflow.traceName";
    public const string ArtifactLocation = "mlflow.artifactLocation";
    public const string SpansLocation = "mlflow.trace.spansLocation";
    public const string SpansInDatabase = "TRACKING_STORE";
    public const string SourceRun = "mlflow.sourceRun";
    public const string Session = "mlflow.trace.session";
    public const string SizeStats = "mlflow.trace.sizeStats";
    public const string TokenUsage = "mlflow.trace.tokenUsage";
    public const string LinkedPrompts = "mlflow.linkedPrompts";

    public const string SpanRequest = "mlflow.traceRequestId";
    public const string SpanType = "mlflow.spanType";
    public const string SpanInputs = "mlflow.spanInputs";
    public const string SpanOutputs = "mlflow.spanOutputs";
    public const string SpanTokens = "mlflow.chat.tokenUsage";
}
