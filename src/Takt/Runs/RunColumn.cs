namespace Takt.Runs;

/// <summary>One column of the runs table, named as a filter names it: <c>metrics.acc</c>, <c>params.lr</c>, <c>tags.`a b`</c>, <c>start_time</c>.</summary>
/// <param name="Key">May hold <c>*</c>, which stands for any text, where a list of columns is asked for.</param>
public readonly record struct RunColumn(RunColumnKind Kind, string Key)
{
    /// <summary>The attributes that a run has, in the order they are offered.</summary>
    public static readonly IReadOnlyList<string> Attributes = ["run_name", "status", "start_time", "end_time", "duration", "user_id", "run_id", "experiment"];

    public bool IsPattern => Key.Contains('*');

    /// <summary>As <see cref="Parse"/> reads it.</summary>
    public override string ToString()
    {
        var key = Key.AsSpan().IndexOfAnyExcept(Plain) < 0 ? Key : $"`{Key}`";
        return Kind switch { RunColumnKind.Metric => "metrics." + key, RunColumnKind.Param => "params." + key, RunColumnKind.Tag => "tags." + key, _ => Key };
    }

    /// <exception cref="TaktException">Invalid: neither <c>metrics.…</c>, <c>params.…</c>, <c>tags.…</c> nor an attribute.</exception>
    public static RunColumn Parse(string text) => TryParse(text, out var column) ? column
        : throw TaktException.Invalid($"'{text}' is no column: write metrics.KEY, params.KEY, tags.KEY, or one of {string.Join(", ", Attributes)}");

    public static bool TryParse(string text, out RunColumn column)
    {
        column = default;
        if (string.IsNullOrWhiteSpace(text)) return false;
        var (entity, key) = FilterParser.Split(text.Trim());
        if (key.Length == 0) return false;
        RunColumnKind? kind = entity?.ToLowerInvariant() switch
        {
            "metric" or "metrics" => RunColumnKind.Metric,
            "param" or "params" or "parameter" or "parameters" => RunColumnKind.Param,
            "tag" or "tags" => RunColumnKind.Tag,
            null or "attribute" or "attributes" or "attr" or "run" when Attributes.Contains(key) => RunColumnKind.Attribute,
            _ => null,
        };
        if (kind is null) return false;
        column = new(kind.Value, key);
        return true;
    }

    /// <summary>Whether a key is one of those that <see cref="Key"/> stands for.</summary>
    public bool Covers(RunColumn other)
    {
        if (Kind != other.Kind) return false;
        var pattern = Key.AsSpan();
        var text = other.Key.AsSpan();
        var star = pattern.IndexOf('*');
        if (star < 0) return pattern.SequenceEqual(text);
        if (!text.StartsWith(pattern[..star])) return false;
        text = text[star..];
        for (pattern = pattern[(star + 1)..]; (star = pattern.IndexOf('*')) >= 0; pattern = pattern[(star + 1)..])
        {
            var at = text.IndexOf(pattern[..star]);
            if (at < 0) return false;
            text = text[(at + star)..];
        }
        return text.EndsWith(pattern);
    }

    static readonly System.Buffers.SearchValues<char> Plain = System.Buffers.SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_./:-*");
}
