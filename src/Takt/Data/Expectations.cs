namespace Takt.Data;

/// <summary>What a table must be like to be let in (<c>expect:</c>). Every column named here must be in every file, unless it is optional.</summary>
/// <remarks>
/// One scan for all rules about values and statistics of all columns; one of the columns concerned for each rule that has to group, sort or join
/// (keys, order, gaps, references); none for what the profiles of versions tell. A scan more for each rule that is broken, to show rows.
/// </remarks>
public sealed record Expectations
{
    /// <summary>How many rows there must be; an empty table is refused unless this is 0.</summary>
    public long MinRows { get; init; } = 1;

    public long? MaxRows { get; init; }

    /// <summary>The largest relative change of the number of rows since the version before: 0.2 is 20 % up or down.</summary>
    public double? RowsChange { get; init; }

    /// <summary>Of the rules about the number of rows.</summary>
    public Severity RowsSeverity { get; init; }

    /// <summary>Whether columns that are not named here may be there.</summary>
    public bool ExtraColumns { get; init; } = true;

    /// <summary>Columns that must not be there.</summary>
    public IReadOnlyList<string> Absent { get; init; } = [];

    /// <summary>These columns stand in this order; others may stand between them.</summary>
    public IReadOnlyList<string> Order { get; init; } = [];

    /// <summary>What a column that the version before did not have does; null: nothing.</summary>
    public Severity? NewColumns { get; init; }

    /// <summary>What a column that only the version before has does; null: nothing.</summary>
    public Severity? DroppedColumns { get; init; }

    /// <summary>What a column whose type has changed does; null: nothing.</summary>
    public Severity? RetypedColumns { get; init; }

    public IReadOnlyList<ColumnExpectation> Columns { get; init; } = [];

    public IReadOnlyList<TableExpectation> Table { get; init; } = [];

    /// <summary>The versions of datasets whose files are needed: of foreign keys, exact distances, SQL.</summary>
    public IReadOnlyList<string> Files => Columns.SelectMany(column => new[] { column.References?.Dataset, column.Disjoint?.Dataset, column.Drift is { Ks: not null } drift ? drift.Against : null })
        .Concat(Table.SelectMany(table => new[] { table.References?.Dataset, table.Disjoint?.Dataset }))
        .Concat(Table.SelectMany(table => table.Sql is null ? [] : SqlNames.Versions(table.Sql)))
        .OfType<string>().Distinct().ToList();

    /// <summary>The versions whose profile is needed.</summary>
    public IReadOnlyList<string> Profiles => Columns.Select(column => column.Drift?.Against).Concat(Table.Select(table => table.RowsOf)).OfType<string>().Distinct().ToList();

    /// <summary>How many versions before are looked at.</summary>
    public int History => Table.Where(table => table.Anomaly is not null).Select(table => table.Versions).DefaultIfEmpty(0).Max();

    /// <summary>Holds files to what is expected of them.</summary>
    /// <param name="context">Versions to compare with; null: there are none.</param>
    /// <exception cref="TaktException">NotFound or Invalid: a file can't be read at all, or SQL is wrong. Cancelled.</exception>
    public CheckReport Check(IEnumerable<string> files, CheckContext? context = null, CancellationToken cancel = default) =>
        new ExpectationCheck(this, Tables.Expand(files).Select(Path.GetFullPath).ToList(), context ?? CheckContext.None, cancel).Run();

    /// <exception cref="TaktException">Invalid: one fault for each expectation that is not met.</exception>
    public void Require(string what, IEnumerable<string> files) => Check(files).Require(what);
}
