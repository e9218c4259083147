namespace Takt.Runs.Import;

/// <summary>An artifact at its source.</summary>
/// <param name="Path">Within the run or the model.</param>
public sealed record ImportedFile(string Path, Func<CancellationToken, Task<Stream>> Open);
