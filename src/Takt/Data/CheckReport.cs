using System.Text.Json;

namespace Takt.Data;

/// <summary>All expectations of one check, in the order they were written: what passed as well.</summary>
public sealed record CheckReport(long Rows, IReadOnlyList<CheckResult> Results)
{
    /// <inheritdoc cref="TableProfile.Kinds"/>
    public IReadOnlyList<TableKind>? Kinds { get; init; }

    public int Passed => Count(CheckStatus.Passed);
    public int Failed => Count(CheckStatus.Failed);
    public int Warned => Count(CheckStatus.Warned);
    public int Skipped => Count(CheckStatus.Skipped);

    /// <exception cref="TaktException">Invalid: one fault for each expectation that is not met and whose severity is fail.</exception>
    public void Require(string what)
    {
        if (Failed > 0)
            throw new TaktException(TaktError.Invalid, Results.Where(result => result.Status == CheckStatus.Failed).Select(result => $"{what}: {result}").ToList());
    }

    public string ToJson() => JsonSerializer.Serialize(this, CheckJson.Default.CheckReport);

    /// <exception cref="TaktException">Invalid: not a report.</exception>
    public static CheckReport Parse(string json)
    {
        try
        {
            return JsonSerializer.Deserialize(json, CheckJson.Default.CheckReport) ?? throw TaktException.Invalid("the report of a check is empty");
        }
        catch (JsonException e)
        {
            throw new TaktException(TaktError.Invalid, $"not a report of a check: {e.Message}", e);
        }
    }

    int Count(CheckStatus status) => Results.Count(result => result.Status == status);
}
