using System.Text;
using System.Text.Json;

namespace Takt.Server.Protocols.Mlflow;

/// <summary>Where a page begins and how long it is; the token is MLflow's own, base64 of <c>{"offset": n}</c>.</summary>
readonly record struct MlflowPage(int Offset, int Limit)
{
    /// <exception cref="TaktException">Invalid.</exception>
    public static MlflowPage Of(MlflowRequest request, int usual, int most)
    {
        var limit = request.NumberOrNull("max_results") ?? usual;
        if (limit < 1 || limit > most)
            throw TaktException.Invalid($"Invalid value {limit} for parameter 'max_results' supplied:  Hint: Value was of type 'int'. See the API docs for more information about request parameters.");
        return new(Decode(request.TextOrNull("page_token")), (int)limit);
    }

    /// <summary>Only how long it is, where the token says more than an offset.</summary>
    /// <exception cref="TaktException">Invalid.</exception>
    public static int Length(MlflowRequest request, int usual, int most)
    {
        var limit = request.NumberOrNull("max_results") ?? usual;
        return limit < 1 ? throw TaktException.Invalid($"Invalid value {limit} for parameter 'max_results' supplied. It must be a positive integer")
            : limit > most ? throw TaktException.Invalid($"Invalid value {limit} for parameter 'max_results' supplied. It must be at most {most}")
            : (int)limit;
    }

    static int Decode(string? token)
    {
        if (string.IsNullOrEmpty(token)) return 0;
        try
        {
            using var json = JsonDocument.Parse(Convert.FromBase64String(token));
            if (json.RootElement.GetProperty("offset").GetInt32() is var offset and >= 0) return offset;
        }
        catch (Exception e) when (e is FormatException or JsonException or KeyNotFoundException or InvalidOperationException)
        {
        }
        throw TaktException.Invalid("Invalid page token, could not base64-decode");
    }

    /// <param name="found">How many there are when one more than the limit was asked for.</param>
    public void WriteNext(Utf8JsonWriter json, int found)
    {
        if (found > Limit) json.WriteString("next_page_token", Convert.ToBase64String(Encoding.ASCII.GetBytes($"{{\"offset\": {Offset + Limit}}}")));
    }

    public static bool? Deleted(string? viewType) => viewType switch
    {
        null or "" or "ACTIVE_ONLY" or "1" => false,
        "DELETED_ONLY" or "2" => true,
        "ALL" or "3" => null,
        _ => throw TaktException.Invalid($"Invalid value '{viewType}' for parameter 'view_type' supplied: one of ACTIVE_ONLY, DELETED_ONLY, ALL. See the API docs for more information about request parameters."),
    };
}
