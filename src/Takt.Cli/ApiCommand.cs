using System.CommandLine;
using System.Globalization;
using System.Text.Json.Nodes;

namespace Takt.Cli;

/// <summary>What the commands over the API share: ask, then print JSON or text; and reading an answer's members.</summary>
static class ApiCommand
{
    /// <summary>A command that asks the API once and shows the answer.</summary>
    public static Command Of(string name, string description, Func<ParseResult, string> path, Action<JsonObject> show, HttpMethod? method = null, params Argument<string>[] arguments)
    {
        var command = new Command(name, description);
        foreach (var argument in arguments) command.Arguments.Add(argument);
        command.SetAction(async (parsed, cancel) =>
        {
            await using var api = await ApiClient.Connect(parsed);
            var answer = method == HttpMethod.Post ? await api.Post(path(parsed), cancel) : await api.Get(path(parsed), cancel);
            if (parsed.GetValue(CommandLine.Json)) Terminal.Json(answer);
            else show(answer);
            return ExitCode.Ok;
        });
        return command;
    }

    public static IEnumerable<JsonObject> List(this JsonObject json, string member) => (json[member] as JsonArray ?? []).OfType<JsonObject>();

    /// <summary>A member as text; empty when it is not there. A number with at most <paramref name="digits"/> digits behind the point.</summary>
    public static string Text(this JsonObject? json, string member, int digits = 4) => json?[member] switch
    {
        null => "",
        JsonValue value when value.TryGetValue(out string? text) => text,
        JsonValue value when value.TryGetValue(out long whole) => whole.ToString(CultureInfo.InvariantCulture),
        JsonValue value when value.TryGetValue(out double number) => Math.Round(number, digits).ToString(CultureInfo.InvariantCulture),
        var other => other.ToJsonString(),
    };

    public static string Time(this JsonObject? json, string member) =>
        DateTimeOffset.TryParse(json.Text(member), CultureInfo.InvariantCulture, out var time) ? DataText.Time(time) : "";

    public static string Moment(this JsonObject? json, string member) => json.Time(member) is var time && time.EndsWith(" 00:00:00Z", StringComparison.Ordinal) ? time[..10] : time;

    /// <summary>Names and values, one a line.</summary>
    public static void Facts(params (string Name, string Value)[] facts)
    {
        var width = facts.Max(f => f.Name.Length);
        foreach (var (name, value) in facts)
            if (value.Length > 0) Console.WriteLine($"{name.PadRight(width)}  {value}");
    }

    public static void Facts(string title, JsonObject? values)
    {
        if (values is null || values.Count == 0) return;
        Console.WriteLine($"\n{title}");
        Facts([.. values.Select(v => ("  " + v.Key, values.Text(v.Key)))]);
    }
}
