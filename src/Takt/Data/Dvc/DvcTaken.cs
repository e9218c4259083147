namespace Takt.Data.Dvc;

/// <summary>An output of DVC's that was taken over.</summary>
/// <param name="Pointer">The <c>.dvc</c> file or <c>dvc.lock</c> that names it.</param>
/// <param name="Path">From the root of the work tree.</param>
/// <param name="IsNew">False: it was here already.</param>
/// <param name="Commit">Null for a single file, which has a pointer and no dataset.</param>
public sealed record DvcTaken(string Pointer, string Path, bool IsNew, DatasetCommit? Commit, long Bytes);
