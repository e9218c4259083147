namespace Takt.Server.Protocols.Mlflow.GraphQl;

/// <summary>A parsed query: the part of GraphQL (October 2021) that clients of MLflow's pages use. Type definitions are read by <see cref="GraphQlSchema"/>.</summary>
sealed record GraphQlDocument(IReadOnlyList<GraphQlDocument.Operation> Operations, IReadOnlyDictionary<string, GraphQlDocument.Fragment> Fragments)
{
    /// <param name="Kind"><c>query</c> or <c>mutation</c>.</param>
    internal sealed record Operation(string Kind, string? Name, IReadOnlyList<Variable> Variables, IReadOnlyList<Selection> Selections);

    internal sealed record Fragment(string Name, string On, IReadOnlyList<Selection> Selections);

    internal sealed record Variable(string Name, GraphQlType Type, Value? Default);

    internal abstract record Selection(IReadOnlyList<Directive> Directives);

    /// <param name="Text">Its arguments as they were written: two fields of one key must be the same.</param>
    internal sealed record Field(string? Alias, string Name, IReadOnlyList<Argument> Arguments, string Text, IReadOnlyList<Selection>? Selections, IReadOnlyList<Directive> Directives) : Selection(Directives)
    {
        public string Key => Alias ?? Name;
    }

    internal sealed record Spread(string Name, IReadOnlyList<Directive> Directives) : Selection(Directives);

    internal sealed record Inline(string? On, IReadOnlyList<Selection> Selections, IReadOnlyList<Directive> Directives) : Selection(Directives);

    internal sealed record Directive(string Name, IReadOnlyList<Argument> Arguments);

    internal sealed record Argument(string Name, Value Value);

    internal abstract record Value;

    internal sealed record Reference(string Name) : Value;

    /// <param name="Kind"><c>int</c>, <c>float</c>, <c>string</c>, <c>boolean</c>, <c>null</c> or <c>enum</c>.</param>
    internal sealed record Scalar(string Kind, string Text) : Value;

    internal sealed record Items(IReadOnlyList<Value> All) : Value;

    internal sealed record Members(IReadOnlyList<Argument> All) : Value;
}
