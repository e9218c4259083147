using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Takt.Cli;

/// <summary>Data goes to stdout, talk and progress to stderr; colour only on a terminal and never under NO_COLOR.</summary>
public static class Terminal
{
    public enum Tone { Plain, Good, Warn, Bad, Dim }

    static readonly JsonSerializerOptions Readable = new() { WriteIndented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public static readonly bool Colour = !Console.IsErrorRedirected && string.IsNullOrEmpty(Environment.GetEnvironmentVariable("NO_COLOR"));

    /// <summary>Whether <see cref="Detail"/> says anything: <c>--verbose</c>.</summary>
    public static bool Verbose { get; set; }

    /// <summary>How the user calls this program: <c>./takt</c> out of a clone.</summary>
    public static readonly string Program = Environment.GetEnvironmentVariable("TAKT_COMMAND") is { Length: > 0 } called ? called : "takt";

    /// <summary>As <see cref="Program"/>, with <c>-C</c> where that was said, so that commands in hints can be copied.</summary>
    public static string Called { get; set; } = Program;

    static string Copyable(string text) => Called == "takt" ? text : text.Replace("`takt ", $"`{Called} ", StringComparison.Ordinal);

    /// <summary>What only somebody who looks for a reason wants to know.</summary>
    public static void Detail(string text)
    {
        if (Verbose) Note($"takt: {text}", Tone.Dim);
    }

    /// <summary>A line of progress stands at the foot of the terminal; what is said goes in its place.</summary>
    public static volatile bool LineDrawn;

    public static void Note(string text, Tone tone = Tone.Plain)
    {
        if (LineDrawn) Console.Error.Write("\r\e[K");
        text = Copyable(text);
        var code = tone switch { Tone.Good => "32", Tone.Warn => "33", Tone.Bad => "31", Tone.Dim => "2", _ => "" };
        Console.Error.WriteLine(Colour && code.Length > 0 ? $"\e[{code}m{text}\e[0m" : text);
    }

    /// <summary>A command that destroys asks on a terminal; without one it is refused unless it was told <c>--yes</c>.</summary>
    /// <exception cref="TaktException">Invalid: nobody can be asked. Cancelled: the answer was no.</exception>
    public static void Confirm(string question, bool yes)
    {
        if (yes) return;
        if (Console.IsInputRedirected || Console.IsErrorRedirected) throw TaktException.Invalid($"{question} There is no terminal to ask on: say --yes");
        Console.Error.Write($"{question} [y/N] ");
        if (Console.ReadLine()?.Trim().ToLowerInvariant() is not ("y" or "yes")) throw new TaktException(TaktError.Cancelled, "nothing was done");
    }

    public static void Json(JsonNode json) => Console.WriteLine(json.ToJsonString(Readable));

    /// <summary>What was waited for is not over.</summary>
    /// <returns>The exit code.</returns>
    public static int TimedOut(string message, bool json)
    {
        if (json) Json(new JsonObject { ["error"] = new JsonObject { ["code"] = "Timeout", ["message"] = message } });
        else Note($"takt: {message}", Tone.Bad);
        return ExitCode.Failed;
    }

    /// <summary>The error, a line a fault, as JSON under <c>--json</c>.</summary>
    /// <returns>The exit code.</returns>
    public static int Fail(TaktException e, bool json)
    {
        if (json) Json(new JsonObject { ["error"] = new JsonObject { ["code"] = e.Error.ToString(), ["message"] = e.Message } });
        else
            foreach (var fault in e.Faults) Note($"takt: {fault}", Tone.Bad);
        return ExitCode.Of(e.Error);
    }
}
