using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text;
using Takt.Data;
using Takt.ML.Runtimes;

namespace Takt.ML.Python;

/// <summary>Frames for a worker: <c>u32 length | u8 kind | body</c>, little-endian, in one buffer that is used again. Not safe for concurrent use.</summary>
sealed class FrameWriter
{
    /// <summary>A longer frame is refused: the rows belong into several requests.</summary>
    public const int Longest = 1 << 30;

    /// <summary>A buffer that grew beyond this is not kept.</summary>
    const int Kept = 8 << 20;

    byte[] _bytes = new byte[4096];
    int _length;

    public ReadOnlySpan<byte> Text(byte kind, ReadOnlySpan<byte> body)
    {
        Begin(kind);
        body.CopyTo(Take(body.Length));
        return End();
    }

    /// <summary>The rows of several calls as one table, one after the other; of <see cref="PythonWorker.PredictWith"/> behind the parameters that they share.</summary>
    /// <param name="columns">As many as each call has, in its order.</param>
    /// <exception cref="TaktException">TooLarge.</exception>
    public ReadOnlySpan<byte> Table(byte kind, IReadOnlyList<SignatureField> columns, IReadOnlyList<PythonCall> calls)
    {
        Begin(kind);
        if (kind == PythonWorker.PredictWith)
        {
            var parameters = Encoding.UTF8.GetBytes(calls[0].Parameters!);
            Number(parameters.Length);
            parameters.CopyTo(Take(parameters.Length));
        }
        var rows = 0;
        foreach (var call in calls) rows += call.Rows;
        Number(rows);
        Number(columns.Count);
        for (var c = 0; c < columns.Count; c++) Column(columns[c], calls, c, rows);
        return End();
    }

    void Column(SignatureField field, IReadOnlyList<PythonCall> calls, int c, int rows)
    {
        var missing = false;
        foreach (var call in calls) missing |= call.Columns[c].Missing is not null;
        var head = Take(4 + field.Name.Length);
        head[0] = (byte)field.Wire;
        head[1] = missing ? (byte)1 : (byte)0;
        BinaryPrimitives.WriteUInt16LittleEndian(head[2..], (ushort)field.Name.Length);
        field.Name.CopyTo(head[4..]);
        if (missing)
        {
            var flags = Take(rows);
            foreach (var call in calls)
            {
                var own = flags[..call.Rows];
                if (call.Columns[c].Missing is { } gone) MemoryMarshal.AsBytes(gone.AsSpan(0, call.Rows)).CopyTo(own);
                else own.Clear();
                flags = flags[call.Rows..];
            }
        }
        if (field.Wire == ColumnType.Text)
        {
            Texts(calls, c, rows);
            return;
        }
        foreach (var call in calls)
        {
            var values = call.Columns[c];
            var bytes = values.Type switch
            {
                ColumnType.Boolean => MemoryMarshal.AsBytes(values.Booleans.AsSpan(0, call.Rows)),
                ColumnType.Number => MemoryMarshal.AsBytes(values.Numbers.AsSpan(0, call.Rows)),
                _ => MemoryMarshal.AsBytes(values.Integers.AsSpan(0, call.Rows)),
            };
            bytes.CopyTo(Take(bytes.Length));
        }
    }

    void Texts(IReadOnlyList<PythonCall> calls, int c, int rows)
    {
        var ends = _length;
        Take(4 * rows);
        var from = _length;
        foreach (var call in calls)
        {
            var texts = call.Columns[c].Texts;
            for (var row = 0; row < call.Rows; row++, ends += 4)
            {
                if (texts[row] is { Length: > 0 } text) Encoding.UTF8.GetBytes(text, Take(Encoding.UTF8.GetByteCount(text)));
                BinaryPrimitives.WriteInt32LittleEndian(_bytes.AsSpan(ends), _length - from);
            }
        }
    }

    void Begin(byte kind)
    {
        if (_bytes.Length > Kept) _bytes = new byte[4096];
        _length = 4;
        Take(1)[0] = kind;
    }

    ReadOnlySpan<byte> End()
    {
        BinaryPrimitives.WriteInt32LittleEndian(_bytes, _length - 4);
        return _bytes.AsSpan(0, _length);
    }

    void Number(int value) => BinaryPrimitives.WriteInt32LittleEndian(Take(4), value);

    Span<byte> Take(int count)
    {
        var needed = (long)_length + count;
        if (needed > Longest) throw new TaktException(TaktError.TooLarge, $"the rows are over {Longest >> 20} MiB for a Python worker; send fewer at once");
        if (needed > _bytes.Length) Array.Resize(ref _bytes, (int)Math.Max(needed, Math.Min(2L * _bytes.Length, Longest)));
        var place = _bytes.AsSpan(_length, count);
        _length += count;
        return place;
    }
}
