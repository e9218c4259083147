namespace Takt.Data;

/// <summary>What is wanted of a source.</summary>
/// <param name="Address">As the project file has it: secrets stand in it by name.</param>
/// <param name="Folder">What relative paths start from: the project's folder.</param>
/// <param name="Target">An empty folder for what is fetched; whoever asks removes it.</param>
public sealed record SourceRequest(string Address, string Folder, string Target)
{
    /// <summary>Where the last collect ended; null: from the beginning.</summary>
    public string? Cursor { get; init; }

    /// <summary>Only what lies in this range of the cursor, from (inclusive) and to (exclusive), whatever the cursor says: a backfill.</summary>
    public (string? From, string? To) Range { get; init; }

    public bool IsBackfill => Range.From is not null || Range.To is not null;

    /// <summary>What the entry sets, by name; those of <see cref="ISource.Settings"/> and no other.</summary>
    public IReadOnlyDictionary<string, string> Settings { get; init; } = new Dictionary<string, string>();

    /// <summary>How far behind the cursor late arrivals are looked for.</summary>
    public TimeSpan Late { get; init; }

    /// <summary>Bytes that may be fetched, unpacked.</summary>
    public long MaxBytes { get; init; } = 10L << 30;

    public string? Setting(string name) => Settings.GetValueOrDefault(name);

    /// <summary>A text with the values of its secrets in it: never to be logged or told.</summary>
    /// <exception cref="TaktException">Invalid: a secret has no value; the message names it.</exception>
    public static string WithSecrets(string text) => Secrets.Fill(text);
}
