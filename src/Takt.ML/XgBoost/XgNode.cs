namespace Takt.ML.XgBoost;

/// <summary>A split, or a leaf.</summary>
/// <param name="Feature">-1: a leaf.</param>
/// <param name="Value">Of a split: below it goes left. Of a leaf: what it adds.</param>
/// <param name="Categories">Place of the set of categories that go right; -1: a split of numbers.</param>
/// <param name="Cover">Sum of the hessians of the training rows that came here.</param>
readonly record struct XgNode(int Feature, float Value, int Left, int Right, bool DefaultLeft, int Categories, float Cover);
