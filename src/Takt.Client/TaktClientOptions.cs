namespace Takt.Client;

/// <summary>How a client behaves; the defaults suit a training job on the same network.</summary>
public sealed record TaktClientOptions
{
    /// <summary>Sent as <c>Authorization: Bearer</c>; null: none.</summary>
    public string? Token { get; init; }

    /// <summary>Sent as <c>X-MLFLOW-WORKSPACE</c>; null: the server's default workspace.</summary>
    public string? Workspace { get; init; }

    /// <summary>A call is tried so often, the first time included. At least 1.</summary>
    public int Attempts { get; init; } = 6;

    /// <summary>The wait before the second try; doubled before each later one, and spread by up to a half.</summary>
    public TimeSpan FirstWait { get; init; } = TimeSpan.FromMilliseconds(200);

    /// <summary>No wait is longer, whatever <c>Retry-After</c> asks for.</summary>
    public TimeSpan LongestWait { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>Points that a run holds before they are sent; <see cref="TaktRun.LogMetric"/> waits while there are so many.</summary>
    public int MetricQueue { get; init; } = 10_000;

    /// <summary>A point waits at most so long for others to be sent with it.</summary>
    public TimeSpan MetricDelay { get; init; } = TimeSpan.FromSeconds(1);

    public TimeProvider Time { get; init; } = TimeProvider.System;
}
