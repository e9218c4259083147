using System.Runtime.CompilerServices;

namespace Takt.Storage;

/// <summary>An interpolated string within another one that is SQL: exists so that the compiler refuses it (see <see cref="Sql"/>).</summary>
[InterpolatedStringHandler]
public readonly ref struct SqlHole
{
    public SqlHole(int literalLength, int formattedCount) => _ = literalLength + formattedCount;

    public void AppendLiteral(string text) => throw new NotSupportedException(text);

    public void AppendFormatted<T>(T value) => throw new NotSupportedException($"{value}");

    public void AppendFormatted<T>(T value, string format) => throw new NotSupportedException(format + value);
}
