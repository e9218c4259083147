using System.Text.Json;

namespace Takt.Models;

/// <summary>JSON values as Python would print them, for errors that clients know from MLflow.</summary>
static class PythonText
{
    public static string TypeOf(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Object => "dict",
        JsonValueKind.Array => "list",
        JsonValueKind.String => "str",
        JsonValueKind.True or JsonValueKind.False => "bool",
        JsonValueKind.Number => value.GetRawText().AsSpan().ContainsAny('.', 'e', 'E') ? "float" : "int",
        _ => "NoneType",
    };

    /// <summary>As <c>str()</c> has it.</summary>
    public static string Of(JsonElement value) => value.ValueKind == JsonValueKind.String ? value.GetString()! : Inner(value);

    /// <summary>As <c>repr()</c> has a text.</summary>
    public static string Quoted(string text)
    {
        var quote = text.Contains('\'', StringComparison.Ordinal) && !text.Contains('"', StringComparison.Ordinal) ? '"' : '\'';
        var escaped = text.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\n", "\\n", StringComparison.Ordinal);
        if (quote == '\'') escaped = escaped.Replace("'", "\\'", StringComparison.Ordinal);
        return $"{quote}{escaped}{quote}";
    }

    static string Inner(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Object => "{" + string.Join(", ", value.EnumerateObject().Select(m => $"{Quoted(m.Name)}: {Inner(m.Value)}")) + "}",
        JsonValueKind.Array => "[" + string.Join(", ", value.EnumerateArray().Select(Inner)) + "]",
        JsonValueKind.String => Quoted(value.GetString()!),
        JsonValueKind.True => "True",
        JsonValueKind.False => "False",
        JsonValueKind.Number => value.GetRawText(),
        _ => "None",
    };
}
