using System.Runtime.InteropServices;

namespace Takt.Data;

/// <summary>Rows in the order they came, and where each is. Cleared in no time, however large it was.</summary>
sealed class RowWindow
{
    readonly List<RowText> _rows = [];
    int[] _slots = new int[64]; // place + 1 + _base: what is at most _base is of an earlier time
    int _base;

    public Span<RowText> Rows => CollectionsMarshal.AsSpan(_rows);

    public void Clear()
    {
        _base += _rows.Count;
        _rows.Clear();
        if (_base < int.MaxValue / 2) return;
        Array.Clear(_slots);
        _base = 0;
    }

    public void Add(in RowText row)
    {
        _rows.Add(row);
        if (_rows.Count * 2 > _slots.Length)
        {
            _slots = new int[_slots.Length * 4];
            _base = 0;
            for (var i = 0; i < _rows.Count; i++) Place(_rows[i].Hash, i);
        }
        else Place(row.Hash, _rows.Count - 1);
    }

    /// <summary>The place of an equal row; -1: there is none.</summary>
    public int Find(in RowText row)
    {
        var mask = _slots.Length - 1;
        for (var slot = (int)row.Hash & mask; _slots[slot] > _base; slot = (slot + 1) & mask)
            if (Rows[_slots[slot] - _base - 1].Is(row)) return _slots[slot] - _base - 1;
        return -1;
    }

    void Place(ulong hash, int at)
    {
        var mask = _slots.Length - 1;
        var slot = (int)hash & mask;
        for (; _slots[slot] > _base; slot = (slot + 1) & mask)
            if (_rows[_slots[slot] - _base - 1].Hash == hash) return; // the first of equal rows is found; a chain of a million would never end
        _slots[slot] = at + 1 + _base;
    }
}
