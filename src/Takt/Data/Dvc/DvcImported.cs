namespace Takt.Data.Dvc;

/// <summary>What came of an import from DVC.</summary>
/// <param name="Left">What was left out or left as it is, in words: none of it is a fault.</param>
/// <param name="Faults">What was nowhere, damaged or could not be read, in words.</param>
/// <param name="MovedFiles">Came from DVC's cache, its remotes or the work tree; the others were in the store.</param>
public sealed record DvcImported(IReadOnlyList<DvcTaken> Taken, IReadOnlyList<string> Left, IReadOnlyList<string> Faults, long MovedFiles, long MovedBytes);
