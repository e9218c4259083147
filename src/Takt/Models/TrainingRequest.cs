namespace Takt.Models;

/// <param name="Task"><c>binary</c>, <c>multiclass</c> or <c>regression</c>.</param>
/// <param name="Target">The column to predict.</param>
/// <param name="Features">Columns to learn from; null: all but the target.</param>
/// <param name="Categorical">Features whose numbers are codes; text columns always are.</param>
/// <param name="Parameters">The algorithm's own settings, such as <c>trees</c>, <c>leaves</c>, <c>learning_rate</c>.</param>
/// <param name="Seed">Any value; equal seeds give equal models.</param>
public sealed record TrainingRequest(
    string Task,
    string Target,
    IReadOnlyList<string>? Features,
    IReadOnlyList<string> Categorical,
    IReadOnlyDictionary<string, double> Parameters,
    int Seed);
