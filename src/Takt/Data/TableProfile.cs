using System.Text.Json;

namespace Takt.Data;

/// <summary>What is known of a table: its rows, and each column's distribution. Stored with every dataset commit and in every model package.</summary>
public sealed record TableProfile(long Rows, IReadOnlyList<ColumnProfile> Columns)
{
    /// <summary>Numbers with at most this many different values also have their values counted.</summary>
    public const int FewValues = 50;

    /// <summary>At most this many of a column's values are counted one by one.</summary>
    public const int MostTop = 500;

    /// <summary>Where the quantiles are taken.</summary>
    public static IReadOnlyList<double> Probabilities { get; } = [0.01, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.99];

    /// <summary>When no file has all columns: the kinds of files there are, which may be tables of their own. Null else.</summary>
    public IReadOnlyList<TableKind>? Kinds { get; init; }

    public ColumnProfile? Find(string name) => Columns.FirstOrDefault(column => column.Name == name);

    public string ToJson() => JsonSerializer.Serialize(this, ProfileJson.Default.TableProfile);

    /// <exception cref="TaktException">Invalid: not a profile.</exception>
    public static TableProfile Parse(string json)
    {
        try
        {
            return JsonSerializer.Deserialize(json, ProfileJson.Default.TableProfile) ?? throw TaktException.Invalid("the profile is empty");
        }
        catch (JsonException e)
        {
            throw new TaktException(TaktError.Invalid, $"not a profile: {e.Message}", e);
        }
    }
}
