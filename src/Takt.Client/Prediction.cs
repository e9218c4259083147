namespace Takt.Client;

/// <summary>An endpoint's answer.</summary>
/// <param name="Id">Under which the prediction log has it; row <c>n</c> is <see cref="Row"/>.</param>
/// <param name="Model">The version that answered, such as <c>churn@3</c>; empty when the server does not say.</param>
/// <param name="Outputs">By name: <c>double[]</c>, <c>long[]</c>, <c>bool[]</c> or <c>string[]</c>.</param>
public sealed record Prediction(string Id, string Model, IReadOnlyDictionary<string, Array> Outputs)
{
    /// <summary>The id of one row, for a label or for <c>takt why</c>.</summary>
    public string Row(int row) => $"{Id}:{row}";

    /// <summary>An output as numbers.</summary>
    /// <exception cref="KeyNotFoundException">No such output.</exception>
    /// <exception cref="InvalidCastException">It is text.</exception>
    public double[] Numbers(string output) => Outputs[output] switch
    {
        double[] numbers => numbers,
        long[] whole => Array.ConvertAll(whole, n => (double)n),
        bool[] flags => Array.ConvertAll(flags, b => b ? 1.0 : 0.0),
        _ => throw new InvalidCastException($"the output '{output}' is text"),
    };
}
