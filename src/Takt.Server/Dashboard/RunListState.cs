using System.Globalization;
using System.Text;
using Microsoft.AspNetCore.Http;
using Takt.Runs;

namespace Takt.Server.Dashboard;

/// <summary>What the runs table shows, all of it in the address: an address sent to a colleague shows the same.</summary>
sealed record RunListState
{
    public static readonly IReadOnlyList<int> Sizes = [50, 100, 250, 500];

    /// <summary>An id or a name; empty: all.</summary>
    public string Experiment { get; init; } = "";
    public string Filter { get; init; } = "";
    public RunColumn Sort { get; init; } = new(RunColumnKind.Attribute, "start_time");
    public bool Ascending { get; init; }

    /// <summary>Null: a few that the runs have.</summary>
    public IReadOnlyList<RunColumn>? Columns { get; init; }
    public RunColumn? Group { get; init; }

    /// <summary>As it was typed; kept when it is no column, so that it can be corrected.</summary>
    public string GroupText { get; init; } = "";

    /// <inheritdoc cref="GroupText"/>
    public string ColumnsTyped { get; init; } = "";

    /// <summary>What of the address can't be meant; the page tells it beside what can be changed.</summary>
    public string? Fault { get; init; }
    public int Show { get; init; } = Sizes[0];
    public bool Deleted { get; init; }

    /// <summary>Parts below the run they are part of, or all runs in one list; null: whichever fits what is asked for.</summary>
    public bool? Nested { get; init; }

    /// <summary>What somebody looks for, or sorts by, may be a part's: then all runs stand in one list.</summary>
    public bool AsTree => Nested ?? (Filter.Length == 0 && !Deleted && Group is null && Sort.Kind == RunColumnKind.Attribute);

    /// <summary>In one list, which nobody asked for, a pipeline's run stands for its stages where it has what they have.</summary>
    public bool FoldsStages => Nested is null && !AsTree;

    public string? After { get; init; }
    public string? Before { get; init; }

    /// <exception cref="TaktException">Invalid: a column that is none.</exception>
    public RunListState Valid() => Fault is null ? this : throw TaktException.Invalid(Fault);

    public static RunListState Read(IQueryCollection query)
    {
        var faults = new List<string>();
        RunColumn? Column(string text)
        {
            if (RunColumn.TryParse(text, out var column)) return column;
            try { _ = RunColumn.Parse(text); } catch (TaktException e) { faults.Add(e.Message); }
            return null;
        }
        var columns = query.ContainsKey("cols") && query["cols"].ToString().Trim() is { Length: > 0 } cols ? Split(cols).Select(Column).OfType<RunColumn>().ToList() : null;
        return new RunListState
        {
            Experiment = query["experiment"].ToString().Trim(),
            Filter = query["filter"].ToString().Trim(),
            Sort = query["sort"].ToString() is { Length: > 0 } sort && Column(sort) is { } by ? by : new(RunColumnKind.Attribute, "start_time"),
            Ascending = query["dir"] == "asc",
            Columns = columns,
            Group = query["group"].ToString().Trim() is { Length: > 0 } group ? Column(group) : null,
            GroupText = query["group"].ToString().Trim(),
            ColumnsTyped = query["cols"].ToString().Trim(),
            Show = int.TryParse(query["show"], CultureInfo.InvariantCulture, out var show) ? Math.Clamp(show, 1, Sizes[^1]) : Sizes[0],
            Deleted = query["deleted"] == "1",
            Nested = query["nested"].ToString() switch { "tree" => true, "flat" => false, _ => query["top"] == "1" ? true : null },
            After = query["after"].ToString() is { Length: > 0 } after ? after : null,
            Before = query["before"].ToString() is { Length: > 0 } before ? before : null,
            Fault = faults.Count == 0 ? null : string.Join("; ", faults.Distinct()),
        };
    }

    public RunGridQuery Query(IReadOnlyList<long> experiments) => new()
    {
        Experiments = experiments,
        Filter = Filter,
        Sort = Sort,
        Ascending = Ascending,
        Deleted = Deleted,
        TopLevel = AsTree,
        FoldStages = FoldsStages,
        After = After,
        Before = Before,
        Limit = Show,
    };

    /// <summary>The address of this table; only what differs from the default is in it.</summary>
    public string Url(string path = "/runs")
    {
        var url = new StringBuilder(path);
        var first = true;
        foreach (var (name, value) in Parts())
        {
            url.Append(first ? '?' : '&').Append(name).Append('=').Append(Uri.EscapeDataString(value));
            first = false;
        }
        return url.ToString();
    }

    /// <summary>The parts of the address, for hidden fields of a form.</summary>
    public IEnumerable<(string Name, string Value)> Parts()
    {
        if (Experiment.Length > 0) yield return ("experiment", Experiment);
        if (Filter.Length > 0) yield return ("filter", Filter);
        if (Sort != new RunColumn(RunColumnKind.Attribute, "start_time")) yield return ("sort", Sort.ToString());
        if (Ascending) yield return ("dir", "asc");
        if (Columns is not null) yield return ("cols", ColumnText);
        if (Group is { } group) yield return ("group", group.ToString());
        if (Show != Sizes[0]) yield return ("show", Show.ToString(CultureInfo.InvariantCulture));
        if (Deleted) yield return ("deleted", "1");
        if (Nested is { } nested) yield return ("nested", nested ? "tree" : "flat");
        if (After is not null) yield return ("after", After);
        if (Before is not null) yield return ("before", Before);
    }

    public string ColumnText => Columns is null ? "" : string.Join(',', Columns);

    /// <summary>At the first page.</summary>
    public RunListState Start => this with { After = null, Before = null };

    /// <summary>With one more clause.</summary>
    public RunListState And(string clause) => Start with { Filter = Filter.Length == 0 ? clause : $"{Filter} AND {clause}" };

    static IEnumerable<string> Split(string list)
    {
        var start = 0;
        var quoted = false;
        for (var i = 0; i <= list.Length; i++)
        {
            if (i < list.Length && list[i] == '`') quoted = !quoted;
            if (i < list.Length && (quoted || list[i] != ',')) continue;
            if (!string.IsNullOrWhiteSpace(list[start..i])) yield return list[start..i].Trim();
            start = i + 1;
        }
    }
}
