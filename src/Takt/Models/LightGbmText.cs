using System.Text.Json;

namespace Takt.Models;

/// <summary>The head and the tail of LightGBM's text model: what its inputs are called and which are categories.</summary>
/// <param name="Objective">Such as <c>binary</c> or <c>regression</c>; its settings left out.</param>
/// <param name="Categories">Of each feature: the values in the order of their codes, or null for a number.</param>
/// <param name="Classes">How many it tells apart; 1: it gives one number.</param>
sealed record LightGbmText(string Objective, int Classes, IReadOnlyList<string> Features, IReadOnlyList<IReadOnlyList<string>?> Categories)
{
    /// <summary>The line that pandas' categories stand in, at the end, is read from so many bytes.</summary>
    const int Tail = 1 << 20;

    /// <exception cref="TaktException">Invalid: no LightGBM model. NotSupported: one that Takt can't run.</exception>
    public static LightGbmText Read(string path)
    {
        var head = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var line in File.ReadLines(path))
        {
            if (line.StartsWith("Tree=", StringComparison.Ordinal) || head.Count > 100) break;
            if (line.IndexOf('=') is > 0 and var mark) head.TryAdd(line[..mark], line[(mark + 1)..]);
        }
        if (!head.TryGetValue("feature_names", out var names) || !head.TryGetValue("feature_infos", out var infos)) throw TaktException.Invalid($"{path} is no LightGBM text model");
        var objective = head.GetValueOrDefault("objective", "regression").Split(' ')[0];
        if (!int.TryParse(head.GetValueOrDefault("num_class", "1"), out var classes) || classes < 1) throw TaktException.Invalid($"{path} is damaged: num_class is '{head["num_class"]}'");
        var (features, kinds) = (names.Split(' ', StringSplitOptions.RemoveEmptyEntries), infos.Split(' ', StringSplitOptions.RemoveEmptyEntries));
        if (features.Length != kinds.Length) throw TaktException.Invalid($"{path} is damaged: {features.Length} feature names, {kinds.Length} feature infos");
        // [0:1] is a range of numbers, 0:1:2 a list of codes
        var categorical = Enumerable.Range(0, kinds.Length).Where(i => kinds[i][0] != '[' && kinds[i] != "none").ToList();
        var categories = new IReadOnlyList<string>?[features.Length];
        var lists = Pandas(path);
        if (lists.Count > 0 && lists.Count != categorical.Count)
            throw new TaktException(TaktError.NotSupported, $"{path} has {categorical.Count} categorical features but the categories of {lists.Count}; Takt can't tell which are which");
        for (var i = 0; i < lists.Count; i++) categories[categorical[i]] = lists[i];
        return new(objective, classes, features, categories);
    }

    static List<IReadOnlyList<string>> Pandas(string path)
    {
        const string Mark = "\npandas_categorical:";
        using var file = File.OpenRead(path);
        file.Seek(Math.Max(0, file.Length - Tail), SeekOrigin.Begin);
        using var reader = new StreamReader(file);
        var tail = reader.ReadToEnd();
        if (tail.LastIndexOf(Mark, StringComparison.Ordinal) is not (>= 0 and var at)) return [];
        var line = tail[(at + Mark.Length)..].Split('\n')[0];
        if (line is "" or "null" or "[]") return [];
        try
        {
            using var json = JsonDocument.Parse(line);
            return [.. json.RootElement.EnumerateArray().Select(list => (IReadOnlyList<string>)[.. list.EnumerateArray().Select(v => v.ToString())])];
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw new TaktException(TaktError.Invalid, $"{path} is damaged: the line pandas_categorical can't be read", e);
        }
    }
}
