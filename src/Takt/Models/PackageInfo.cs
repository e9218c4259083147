using System.Text.Json.Serialization;
using Takt.Data;

namespace Takt.Models;

/// <summary><c>takt.json</c> of a model package: what Takt needs beside MLflow's <c>MLmodel</c>.</summary>
/// <param name="Task"><c>binary</c>, <c>multiclass</c> or <c>regression</c>.</param>
/// <param name="Output">The name of the model's one output, <c>probability</c> or <c>prediction</c>; with <see cref="Classes"/> of its first, <c>class</c>.</param>
/// <param name="Profile">Of the training table, and of the model's output on it.</param>
public sealed record PackageInfo(
    int Format,
    string Task,
    string Target,
    string Output,
    string Algorithm,
    IReadOnlyList<Feature> Features,
    IReadOnlyDictionary<string, double> Parameters,
    int Seed,
    TableProfile Profile)
{
    public const int CurrentFormat = 1;

    /// <summary>What the output is called that says the class.</summary>
    public const string ClassOutput = "class";

    /// <summary>What a multiclass model tells apart, in the order of its probabilities; null: it gives a number.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<string>? Classes { get; init; }

    /// <summary>What the output is called that is a class's probability.</summary>
    public static string ProbabilityOf(string label) => "probability." + label;

    /// <summary>What the package itself says it takes and gives, where that is more than features and one number.</summary>
    [JsonIgnore]
    public Signature? Declared { get; init; }

    /// <summary>MLflow's <c>params</c> of the signature, as JSON: what a request may say beside its rows; null: nothing.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Params { get; init; }

    public Signature Signature => Declared ?? new(Features.Select(f => new Field(f.Name, f.Type)).ToList(), Classes is not null ? [new Field(Output, FieldType.String), .. Classes.Select(c => new Field(ProbabilityOf(c), FieldType.Double))]
        : Output.Length == 0 ? [] : [new Field(Output, FieldType.Double)]);
}
