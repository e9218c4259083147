namespace Takt.Runs;

/// <param name="Next">To be given for the page that follows; null: there is none.</param>
public sealed record Page<T>(List<T> Items, string? Next);
