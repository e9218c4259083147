using System.Text;

namespace Takt.Runs;

/// <summary>The order in which names of metrics and params are shown: those that stand for themselves before the members of a family (<c>layer0/norm</c>, <c>layer1/norm</c>, …), and 2 before 10.</summary>
public static class KeyOrder
{
    /// <summary>So many names of one shape are a family.</summary>
    const int Family = 4;

    static readonly Comparer<string> Natural = Comparer<string>.Create(Compare);

    public static List<T> Sort<T>(IEnumerable<T> items, Func<T, string> key)
    {
        var shaped = items.Select(item => (Item: item, Shape: Shape(key(item)))).ToList();
        var families = shaped.GroupBy(i => i.Shape, StringComparer.Ordinal).Where(g => g.Count() >= Family).Select(g => g.Key).ToHashSet(StringComparer.Ordinal);
        return [.. shaped.OrderBy(i => families.Contains(i.Shape)).ThenBy(i => key(i.Item), Natural).Select(i => i.Item)];
    }

    /// <summary>The name without its numbers, and without what stands between the first and the last part of three or more: <c>slice/de/auc</c> is of the family of <c>slice/fr/auc</c>.</summary>
    static string Shape(string key)
    {
        var parts = key.Split('/', '.');
        var text = parts.Length < 3 ? key : $"{parts[0]}/*/{parts[^1]}";
        var shape = new StringBuilder(text.Length);
        foreach (var c in text)
            if (!char.IsAsciiDigit(c)) shape.Append(c);
            else if (shape.Length == 0 || shape[^1] != '#') shape.Append('#');
        return shape.ToString();
    }

    // the BCL's own (CompareOptions.NumericOrdering) needs ICU
    static int Compare(string a, string b)
    {
        int i = 0, j = 0;
        while (i < a.Length && j < b.Length)
        {
            var x = Digits(a, i);
            var y = Digits(b, j);
            if (x.Length > 0 && y.Length > 0)
            {
                var left = x.TrimStart('0');
                var right = y.TrimStart('0');
                var order = left.Length != right.Length ? left.Length.CompareTo(right.Length) : left.SequenceCompareTo(right);
                if (order != 0) return order;
                (i, j) = (i + x.Length, j + y.Length);
            }
            else if (a[i] != b[j]) return a[i].CompareTo(b[j]);
            else (i, j) = (i + 1, j + 1);
        }
        var rest = (a.Length - i).CompareTo(b.Length - j);
        return rest != 0 ? rest : string.CompareOrdinal(a, b);
    }

    static ReadOnlySpan<char> Digits(string text, int from)
    {
        var end = from;
        while (end < text.Length && char.IsAsciiDigit(text[end])) end++;
        return text.AsSpan(from, end - from);
    }
}
