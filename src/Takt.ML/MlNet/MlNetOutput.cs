using Microsoft.ML;
using Microsoft.ML.Data;
using Takt.Data;
using Takt.Models;

namespace Takt.ML.MlNet;

/// <summary>A column that a pipeline gives: one output, or several where it is a vector.</summary>
sealed class MlNetOutput
{
    /// <summary>A longer vector is no output of a table.</summary>
    const int WidestVector = 1000;

    readonly DataViewSchema.Column _column;
    readonly string?[]? _keys;

    MlNetOutput(DataViewSchema.Column column, IReadOnlyList<Field> fields, string?[]? keys) => (_column, Fields, _keys) = (column, fields, keys);

    public IReadOnlyList<Field> Fields { get; }

    public DataViewSchema.Column Column => _column;

    /// <returns>Null: it is of a type that no output has.</returns>
    public static MlNetOutput? Of(DataViewSchema.Column column)
    {
        switch (column.Type)
        {
            case KeyDataViewType { RawType: var raw } when raw == typeof(uint):
                var keys = Keys(column);
                return new(column, [new Field(column.Name, keys is null ? FieldType.Long : FieldType.String)], keys);
            case VectorDataViewType { Size: > 0 and <= WidestVector and var size, ItemType: var item } when item == NumberDataViewType.Single:
                return new(column, [.. Enumerable.Range(0, size).Select(i => new Field($"{column.Name}.{i}", FieldType.Float))], null);
            default:
                return MlNetModel.TypeOf(column.Type) is { } type ? new(column, [new Field(column.Name, type)], null) : null;
        }
    }

    /// <summary>What fills arrays for so many rows of the row that is moved, and gives them as columns.</summary>
    public (Action<int> Read, Func<IEnumerable<Column>> Columns) Reader(DataViewRow row, int rows)
    {
        var type = _column.Type;
        if (type is VectorDataViewType)
        {
            var getter = row.GetGetter<VBuffer<float>>(_column);
            var vectors = Fields.Select(_ => new double[rows]).ToArray();
            VBuffer<float> value = default;
            return (at =>
            {
                getter(ref value);
                for (var i = 0; i < vectors.Length; i++) vectors[i][at] = value.GetItemOrDefault(i);
            }, () => vectors.Select((v, i) => Data.Column.Of(Fields[i].Name, v)));
        }
        if (type is KeyDataViewType)
        {
            var getter = row.GetGetter<uint>(_column);
            var (numbers, texts, missing) = (new long[rows], new string?[rows], new bool[rows]);
            uint value = 0;
            return (at =>
            {
                getter(ref value);
                (numbers[at], missing[at]) = (value, value == 0);
                if (_keys is not null) texts[at] = value == 0 || value > _keys.Length ? null : _keys[value - 1];
            }, () => [_keys is null ? Data.Column.Of(Fields[0].Name, numbers, missing) : Data.Column.Of(Fields[0].Name, texts)]);
        }
        if (type == NumberDataViewType.Single) return Numbers(row.GetGetter<float>(_column), rows, v => v);
        if (type == NumberDataViewType.Double) return Numbers(row.GetGetter<double>(_column), rows, v => v);
        if (type == NumberDataViewType.Int32) return Integers(row.GetGetter<int>(_column), rows, v => v);
        if (type == NumberDataViewType.Int64) return Integers(row.GetGetter<long>(_column), rows, v => v);
        if (type == NumberDataViewType.Int16) return Integers(row.GetGetter<short>(_column), rows, v => v);
        if (type == NumberDataViewType.SByte) return Integers(row.GetGetter<sbyte>(_column), rows, v => v);
        if (type == NumberDataViewType.Byte) return Integers(row.GetGetter<byte>(_column), rows, v => v);
        if (type == NumberDataViewType.UInt16) return Integers(row.GetGetter<ushort>(_column), rows, v => v);
        if (type == NumberDataViewType.UInt32) return Integers(row.GetGetter<uint>(_column), rows, v => v);
        if (type == NumberDataViewType.UInt64) return Integers(row.GetGetter<ulong>(_column), rows, v => (long)v);
        if (type is BooleanDataViewType)
        {
            var getter = row.GetGetter<bool>(_column);
            var values = new bool[rows];
            return (at => getter(ref values[at]), () => [Data.Column.Of(Fields[0].Name, values)]);
        }
        if (type is DateTimeDataViewType)
        {
            var getter = row.GetGetter<DateTime>(_column);
            var values = new long[rows];
            DateTime value = default;
            return (at =>
            {
                getter(ref value);
                values[at] = (value.Ticks - DateTime.UnixEpoch.Ticks) / 10;
            }, () => [Data.Column.OfTimes(Fields[0].Name, values)]);
        }
        var text = row.GetGetter<ReadOnlyMemory<char>>(_column);
        var strings = new string?[rows];
        ReadOnlyMemory<char> one = default;
        return (at =>
        {
            text(ref one);
            strings[at] = one.ToString();
        }, () => [Data.Column.Of(Fields[0].Name, strings)]);
    }

    (Action<int>, Func<IEnumerable<Column>>) Numbers<T>(ValueGetter<T> getter, int rows, Func<T, double> number)
    {
        var values = new double[rows];
        T value = default!;
        return (at =>
        {
            getter(ref value);
            values[at] = number(value);
        }, () => [Data.Column.Of(Fields[0].Name, values)]);
    }

    (Action<int>, Func<IEnumerable<Column>>) Integers<T>(ValueGetter<T> getter, int rows, Func<T, long> number)
    {
        var values = new long[rows];
        T value = default!;
        return (at =>
        {
            getter(ref value);
            values[at] = number(value);
        }, () => [Data.Column.Of(Fields[0].Name, values)]);
    }

    /// <summary>The texts that a key stands for; null: it has none.</summary>
    static string?[]? Keys(DataViewSchema.Column column)
    {
        if (column.Annotations.Schema.GetColumnOrNull("KeyValues") is not { Type: VectorDataViewType { ItemType: TextDataViewType } }) return null;
        VBuffer<ReadOnlyMemory<char>> values = default;
        column.GetKeyValues(ref values);
        return values.DenseValues().Select(v => v.ToString()).ToArray();
    }
}
