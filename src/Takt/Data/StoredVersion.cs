namespace Takt.Data;

/// <summary>A commit's row, as garbage collection needs it.</summary>
sealed record StoredVersion(string Dataset, Digest Id, Digest Tree, Digest? Profile, IReadOnlyList<Digest> Parents, DateTimeOffset Time, long Number, long Bytes, bool Partial, DateTimeOffset? Dropped)
{
    public string Reference => $"{Dataset}@{Id}";
}
