using Takt.Data;

namespace Takt.Deployments;

/// <summary>A column of a prediction log, without the <c>in_</c> or <c>out_</c> that it has in a segment.</summary>
public readonly record struct LogColumn(string Name, ColumnType Type);
