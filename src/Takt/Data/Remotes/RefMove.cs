namespace Takt.Data.Remotes;

/// <summary>A branch or tag that is to point elsewhere, if it still points where it did.</summary>
/// <param name="Before">Null: it must not be there.</param>
/// <param name="Commits">The versions that the remote does not know yet, parents first; all their content is there.</param>
public sealed record RefMove(string Dataset, string Name, bool IsTag, RemoteRef? Before, Digest After, IReadOnlyList<DatasetCommit> Commits)
{
    /// <summary>One of <see cref="Commits"/> out of its canonical JSON.</summary>
    /// <exception cref="TaktException">Invalid: it is none.</exception>
    public static DatasetCommit Commit(string dataset, ReadOnlyMemory<byte> json) => CommitText.Parse(dataset, json);
}
