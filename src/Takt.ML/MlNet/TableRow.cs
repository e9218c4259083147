using Microsoft.ML;
using Microsoft.ML.Data;
using Takt.Data;

namespace Takt.ML.MlNet;

/// <summary>One row of a table as ML.NET's pipelines read it; moved from row to row. Columns that the table has not got are zero, or empty.</summary>
/// <param name="places">Where the values of a column of the schema begin among <see cref="Columns"/>; −1: it is not asked for.</param>
sealed class TableRow(DataViewSchema schema, int[] places) : DataViewRow
{
    /// <summary>Fitted to the signature.</summary>
    public Column[] Columns { get; set; } = [];

    public int Row { get; set; }

    public override DataViewSchema Schema => schema;

    public override long Position => Row;

    public override long Batch => 0;

    public override bool IsColumnActive(DataViewSchema.Column column) => true;

    public override ValueGetter<DataViewRowId> GetIdGetter() => (ref DataViewRowId id) => id = new DataViewRowId((ulong)Row, 0);

    public override ValueGetter<TValue> GetGetter<TValue>(DataViewSchema.Column column) => Getter(column.Type, places[column.Index]) as ValueGetter<TValue>
        ?? throw new TaktException(TaktError.NotSupported, $"the model reads its column '{column.Name}' as {typeof(TValue).Name}, which rows can't give");

    Delegate? Getter(DataViewType type, int at)
    {
        if (type is VectorDataViewType { ItemType: NumberDataViewType item, Size: > 0 and var size } && item == NumberDataViewType.Single)
            return (ValueGetter<VBuffer<float>>)((ref VBuffer<float> value) =>
            {
                var editor = VBufferEditor.Create(ref value, size);
                for (var i = 0; i < size; i++) editor.Values[i] = at < 0 ? 0 : (float)Columns[at + i].Numbers[Row];
                value = editor.Commit();
            });
        if (type == NumberDataViewType.Single) return (ValueGetter<float>)((ref float value) => value = at < 0 ? 0 : (float)Columns[at].Numbers[Row]);
        if (type == NumberDataViewType.Double) return (ValueGetter<double>)((ref double value) => value = at < 0 ? 0 : Columns[at].Numbers[Row]);
        if (type == NumberDataViewType.Int32) return (ValueGetter<int>)((ref int value) => value = (int)Whole(at));
        if (type == NumberDataViewType.Int64) return (ValueGetter<long>)((ref long value) => value = Whole(at));
        if (type == NumberDataViewType.Int16) return (ValueGetter<short>)((ref short value) => value = (short)Whole(at));
        if (type == NumberDataViewType.SByte) return (ValueGetter<sbyte>)((ref sbyte value) => value = (sbyte)Whole(at));
        if (type == NumberDataViewType.Byte) return (ValueGetter<byte>)((ref byte value) => value = (byte)Whole(at));
        if (type == NumberDataViewType.UInt16) return (ValueGetter<ushort>)((ref ushort value) => value = (ushort)Whole(at));
        if (type == NumberDataViewType.UInt32) return (ValueGetter<uint>)((ref uint value) => value = (uint)Whole(at));
        if (type == NumberDataViewType.UInt64) return (ValueGetter<ulong>)((ref ulong value) => value = (ulong)Whole(at));
        if (type is BooleanDataViewType) return (ValueGetter<bool>)((ref bool value) => value = at >= 0 && Columns[at].Booleans[Row]);
        if (type is TextDataViewType) return (ValueGetter<ReadOnlyMemory<char>>)((ref ReadOnlyMemory<char> value) => value = (at < 0 ? "" : Columns[at].Texts[Row] ?? "").AsMemory());
        if (type is DateTimeDataViewType) return (ValueGetter<DateTime>)((ref DateTime value) => value = DateTime.UnixEpoch.AddTicks(Whole(at) * 10));
        return null;
    }

    long Whole(int at) => at < 0 ? 0 : Columns[at].Integers[Row];
}
