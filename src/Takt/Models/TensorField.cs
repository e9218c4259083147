namespace Takt.Models;

/// <summary>A tensor that a model takes or gives.</summary>
/// <param name="Shape">-1: any length.</param>
public sealed record TensorField(string Name, TensorType Type, IReadOnlyList<long> Shape)
{
    /// <summary>Values of one row, when the first dimension counts rows and the others are fixed; -1: not so.</summary>
    public long Width
    {
        get
        {
            if (Shape.Count == 0) return -1;
            var width = 1L;
            for (var d = 1; d < Shape.Count; d++)
            {
                if (Shape[d] < 0) return -1;
                width = checked(width * Shape[d]);
            }
            return width;
        }
    }
}
