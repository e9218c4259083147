namespace Takt.Data.WorkTrees;

/// <summary>Names of one folder in the order that their whole paths have as UTF-8 bytes: a folder counts as its name and <c>/</c>.</summary>
static class PathOrder
{
    public static int Compare((string Name, bool Folder) a, (string Name, bool Folder) b)
    {
        for (var i = 0; ; i++)
        {
            var (x, y) = (At(a, i), At(b, i));
            if (x != y) return x.CompareTo(y);
            if (x < 0) return 0;
        }
    }

    // UTF-16 surrogates stand for code points above all others: moved behind U+FFFF, numbers order as UTF-8 does
    static int At((string Name, bool Folder) path, int i)
    {
        if (i >= path.Name.Length) return i == path.Name.Length && path.Folder ? '/' : -1;
        var c = path.Name[i];
        return char.IsSurrogate(c) ? c + 0x10000 : c;
    }
}
