namespace Takt.Data;

/// <summary>What a new version of a dataset is to be made of.</summary>
/// <param name="Dataset">Made when it does not exist.</param>
/// <param name="Files">Path in the dataset → file on disk.</param>
public sealed record NewVersion(string Dataset, IReadOnlyDictionary<string, string> Files)
{
    public string Ref { get; init; } = DatasetReference.Main;

    /// <summary>Keep the files of the tip that <see cref="Files"/> does not name (an incremental collect); else they are gone from the new version.</summary>
    public bool KeepOthers { get; init; }

    public string Author { get; init; } = Environment.UserName;

    public string Message { get; init; } = "";

    /// <summary>Where the data came from, for the record.</summary>
    public string Source { get; init; } = "";

    /// <summary>How far the source has been read; see <see cref="DatasetCommit.Cursor"/>. Null: the tip's is kept.</summary>
    public string? Cursor { get; init; }

    /// <summary>Files of the tip that are gone from the new version, with <see cref="KeepOthers"/>.</summary>
    public IReadOnlyCollection<string> Without { get; init; } = [];

    /// <summary>Made from this very tip (null within: from none); another one by now is a Conflict, since what was read belongs behind it. Null: whatever the tip is.</summary>
    public (Digest? Tip, bool Only)? On { get; init; }

    /// <summary>Checked on the whole new version before it is committed; null: nothing is.</summary>
    public Expectations? Expect { get; init; }
}
