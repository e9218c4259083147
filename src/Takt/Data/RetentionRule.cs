namespace Takt.Data;

/// <summary>Which versions of a dataset stay when garbage is collected, beside what tags, runs, models or any other row names.</summary>
/// <param name="KeepLast">The newest of each branch; the tip stays whatever the rule.</param>
/// <param name="KeepFor">Those that are younger.</param>
public sealed record RetentionRule(string Dataset, int? KeepLast, TimeSpan? KeepFor)
{
    /// <summary>The project file set it, and takes it back when it no longer says so.</summary>
    public bool IsOfProject { get; init; }
}
