namespace Takt.Runs;

/// <summary>One comparison of a filter, such as <c>metrics.acc &gt; 0.9</c>.</summary>
/// <param name="Entity">As typed, before the dot; null when there is no dot.</param>
/// <param name="Operator">In capitals: <c>=</c>, <c>LIKE</c>, <c>NOT IN</c>, ….</param>
/// <param name="Values">One, unless the operator takes a list.</param>
/// <param name="Quoted">The values were written in quotes.</param>
sealed record FilterClause(string? Entity, string Key, string Operator, IReadOnlyList<string> Values, bool Quoted);
