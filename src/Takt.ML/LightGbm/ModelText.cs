using System.Globalization;

namespace Takt.ML.LightGbm;

/// <summary>How LightGBM's text of a model tells numbers.</summary>
static class ModelText
{
    /// <summary>As C writes it: <c>inf</c> is the threshold of a split that only tells missing values from all others.</summary>
    public static double Real(string text) => text switch
    {
        "inf" => double.PositiveInfinity,
        "-inf" => double.NegativeInfinity,
        "nan" or "-nan" => double.NaN,
        _ => double.Parse(text, NumberStyles.Float, CultureInfo.InvariantCulture),
    };
}
