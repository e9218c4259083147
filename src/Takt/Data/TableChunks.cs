using DuckDB.NET.Data;

namespace Takt.Data;

/// <summary>A query's rows as tables of bounded size, in order, so that data larger than memory passes through.</summary>
public static class TableChunks
{
    /// <param name="rows">The most rows of one table.</param>
    /// <remarks>Types as in <see cref="Tables.Query"/>. The connection is busy until the last table has been taken.</remarks>
    /// <exception cref="DuckDBException">The SQL is wrong or a file can't be read; see <see cref="DuckDb.Guard"/>.</exception>
    public static IEnumerable<Table> Read(DuckDBConnection connection, string sql, int rows)
    {
        var schema = Tables.Schema(connection, $"({sql})");
        using var command = connection.CreateCommand();
        command.CommandText = $"select {string.Join(", ", schema.Select(column => $"{Tables.Canonical(column)} as {DuckDb.Name(column.Name)}"))} from ({sql})";
        command.UseStreamingMode = true;
        using var reader = command.ExecuteReader();
        for (var more = true; more;)
        {
            var builders = schema.Select(column => new ColumnBuilder(column.Name, column.Type)).ToArray();
            var count = 0;
            while (count < rows && (more = reader.Read()))
            {
                for (var i = 0; i < builders.Length; i++) builders[i].Append(reader, i);
                count++;
            }
            if (count > 0) yield return new Table(builders.Select(builder => builder.Build()).ToList());
        }
    }
}
