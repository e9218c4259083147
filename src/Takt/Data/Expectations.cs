namespace Takt.Data;

/// <summary>What a table must be like to be let in (<c>expect:</c>). Every column named here must be in every file.</summary>
/// <remarks>One scan for all values of all columns; a scan more for each rule that is broken, to show rows.</remarks>
public sealed record Expectations
{
    /// <summary>How many rows there must be; an empty table is refused unless this is 0.</summary>
    public long MinRows { get; init; } = 1;

    public long? MaxRows { get; init; }

    /// <summary>Whether columns that are not named here may be there.</summary>
    public bool ExtraColumns { get; init; } = true;

    public IReadOnlyList<ColumnExpectation> Columns { get; init; } = [];

    /// <summary>Everything that is not as expected; empty when all is.</summary>
    /// <exception cref="TaktException">NotFound or Invalid: a file can't be read at all.</exception>
    public IReadOnlyList<Violation> Check(IEnumerable<string> files) => new ExpectationCheck(this, Tables.Expand(files)).Run();

    /// <exception cref="TaktException">Invalid: one fault for each expectation that is not met.</exception>
    public void Require(string what, IEnumerable<string> files)
    {
        var violations = Check(files);
        if (violations.Count > 0) throw new TaktException(TaktError.Invalid, violations.Select(violation => $"{what}: {violation}").ToList());
    }
}
