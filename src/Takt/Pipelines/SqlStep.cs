using Takt.Data;

namespace Takt.Pipelines;

/// <summary><c>sql</c>: one SELECT over the declared tables, its result written as Parquet. The query can read nothing else.</summary>
public sealed class SqlStep : IStepKind
{
    public string Name => "sql";

    public bool OnlyWritesOutputs => true;

    public StepDeclaration Declare(StepArguments with)
    {
        var tables = with.Map("tables");
        if (tables.Count == 0) with.Fault("tables", "tables is missing: the names the query uses and the files they stand for, such as { flights: data/flights/ }");
        var output = with.Text("output");
        if (!output.EndsWith(".parquet", StringComparison.Ordinal)) with.Fault("output", $"'{output}' must end with .parquet");
        return new StepDeclaration([with.Text("query"), .. tables.Values], [output]);
    }

    public Task<StepOutcome> Run(StepContext context, CancellationToken cancel)
    {
        var (query, output) = (context.With.Text("query"), context.With.Text("output"));
        var file = context.PathOf(query);
        if (!File.Exists(file)) throw TaktException.NotFound($"no query file '{query}'");
        var tables = context.With.Map("tables").ToDictionary(table => table.Key, table => context.PathOf(table.Value));
        var rows = SqlQuery.ToParquet(query, File.ReadAllText(file), tables, context.PathOf(output), cancel);
        return Task.FromResult(new StepOutcome($"{output}: {rows:N0} rows", new Dictionary<string, double> { ["rows"] = rows }, new Dictionary<string, string>()));
    }
}
