namespace Takt.ML.Onnx;

/// <summary>Rows made of a model's own thresholds and categories: each value is on one, just beside one, between two, missing, or unseen. They try both sides of every split that they can.</summary>
sealed class SampleRows(int features)
{
    /// <summary>Remembered of a feature.</summary>
    const int MostValues = 20_000;

    readonly HashSet<float>[] _numbers = Of<float>(features);
    readonly HashSet<int>[] _categories = Of<int>(features);

    public void Number(int feature, float threshold)
    {
        if (_numbers[feature].Count < MostValues) _numbers[feature].Add(threshold);
    }

    public void Category(int feature, int category)
    {
        if (_categories[feature].Count < MostValues) _categories[feature].Add(category);
    }

    /// <summary>Row after row. Deterministic.</summary>
    public double[] Make(int rows)
    {
        var random = new Random(1);
        var matrix = new double[rows * features];
        for (var feature = 0; feature < features; feature++)
        {
            var (numbers, categories) = (_numbers[feature].Order().ToArray(), _categories[feature].Order().ToArray());
            for (var row = 0; row < rows; row++)
                matrix[(row * features) + feature] = random.Next(10) == 0 ? double.NaN
                    : categories.Length > 0 ? random.Next(5) == 0 ? random.Next(categories[^1] + 3) : categories[random.Next(categories.Length)]
                    : numbers.Length > 0 ? Beside(numbers, random) : random.Next(-3, 4);
        }
        return matrix;
    }

    static double Beside(float[] numbers, Random random)
    {
        var at = numbers[random.Next(numbers.Length)];
        return random.Next(6) switch
        {
            0 or 1 => at,
            2 => MathF.BitIncrement(at) is var above && float.IsFinite(above) ? above : at,
            3 => MathF.BitDecrement(at) is var below && float.IsFinite(below) ? below : at,
            4 => 0,
            _ => (float)((at + (double)numbers[random.Next(numbers.Length)]) / 2),
        };
    }

    static HashSet<T>[] Of<T>(int count) => Enumerable.Range(0, count).Select(_ => new HashSet<T>()).ToArray();
}
