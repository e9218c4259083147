using System.Runtime.CompilerServices;
using global::OpenTelemetry;
using global::OpenTelemetry.Resources;
using global::OpenTelemetry.Trace;
using Takt.Deployments;

namespace Takt.Server.Protocols.OpenTelemetry;

/// <summary>Spans of requests to an OpenTelemetry collector, as the standard's variables say: <c>OTEL_EXPORTER_OTLP_ENDPOINT</c> switches it on, and the SDK reads all others itself.</summary>
static class OtlpExport
{
    /// <returns>What sends what is left when it is disposed; null: nobody asked for it, and nothing of the SDK is loaded.</returns>
    public static IDisposable? Start(Func<string, string?> variable) =>
        (variable("OTEL_EXPORTER_OTLP_ENDPOINT") ?? variable("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")) is { Length: > 0 }
        && !"true".Equals(variable("OTEL_SDK_DISABLED"), StringComparison.OrdinalIgnoreCase) && variable("OTEL_TRACES_EXPORTER") is null or "" or "otlp" ? Build(variable) : null;

    [MethodImpl(MethodImplOptions.NoInlining)]
    static TracerProvider Build(Func<string, string?> variable)
    {
        var named = !string.IsNullOrEmpty(variable("OTEL_SERVICE_NAME")) || variable("OTEL_RESOURCE_ATTRIBUTES")?.Contains("service.name=", StringComparison.Ordinal) == true;
        return Sdk.CreateTracerProviderBuilder()
            .ConfigureResource(resource => resource.AddAttributes([new("service.version", TaktHost.Version)]).AddAttributes(named ? [] : [new("service.name", "takt")]))
            .AddSource(ServingTrace.SourceName).AddOtlpExporter().Build();
    }
}
