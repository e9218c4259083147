using System.Globalization;
using System.Text;

namespace Takt.Storage.Packs;

/// <summary>What was fixed when the store was made: the file <c>config</c> in it, lines of <c>key: value</c>.</summary>
/// <param name="Id">32 hex digits, random.</param>
/// <param name="Seed">Of the gear table. Equal in all stores by default, so that they find each other's chunks again.</param>
/// <param name="LooseFrom">Model weights of at least this many bytes are kept as whole files.</param>
public sealed record StoreConfig(string Id, int Min, int Average, int Max, string Seed, long LooseFrom)
{
    public const string Name = "config";
    internal const string CommonSeed = "takt";

    public static StoreConfig New() => new(Guid.NewGuid().ToString("N"), 64 << 10, 256 << 10, 1 << 20, CommonSeed, 16 << 20);

    public Chunker Chunker() => new(Min, Average, Max, Seed);

    /// <summary>The file's text, docs/formats.md.</summary>
    public string Text => $"takt-store: 1\nid: {Id}\nchunk-min: {Min}\nchunk-average: {Average}\nchunk-max: {Max}\nchunk-seed: {Seed}\nloose-from: {LooseFrom}\n";

    /// <exception cref="TaktException">Invalid: not a store's config, or of a version that this Takt does not know.</exception>
    public static StoreConfig Parse(string text, string path)
    {
        var values = new Dictionary<string, string>();
        foreach (var line in text.Split('\n'))
            if (line.IndexOf(": ", StringComparison.Ordinal) is > 0 and var at) values[line[..at]] = line[(at + 2)..];
        if (values.GetValueOrDefault("takt-store") is not "1")
            throw TaktException.Invalid($"'{path}' is not the config of a store that this Takt knows (takt-store: {values.GetValueOrDefault("takt-store") ?? "missing"}); restore it from a backup, or use the Takt that made it");
        return new(Value("id"), Number("chunk-min"), Number("chunk-average"), Number("chunk-max"), Value("chunk-seed"), Number("loose-from"));

        string Value(string key) => values.TryGetValue(key, out var value) ? value : throw TaktException.Invalid($"'{path}' lacks the line '{key}'; restore it from a backup");
        int Number(string key) => int.TryParse(Value(key), NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : throw TaktException.Invalid($"'{path}': '{key}' is not a number; restore it from a backup");
    }
}
