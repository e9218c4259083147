using System.Data.Common;
using System.Runtime.CompilerServices;
using System.Text;

namespace Takt.Storage;

/// <summary>
/// SQL text with its values apart: each hole of the interpolated string becomes a parameter, so that a value can never be read as SQL.
/// <c>Sql q = $"select name from model where id = {id}";</c>
/// </summary>
/// <remarks>A value of type <see cref="Sql"/> is spliced in as SQL with its own parameters; <see cref="Raw"/> makes one from trusted text.</remarks>
[InterpolatedStringHandler]
public sealed class Sql
{
    readonly StringBuilder _text;
    readonly List<object?> _values;

    public Sql(int literalLength, int formattedCount)
    {
        _text = new StringBuilder(literalLength + (formattedCount * 4));
        _values = new List<object?>(formattedCount);
    }

    /// <summary>Trusted text, such as a column name from a fixed list; never anything that a user typed.</summary>
    public static Sql Raw(string text)
    {
        var sql = new Sql(text.Length, 0);
        sql.AppendLiteral(text);
        return sql;
    }

    /// <summary>Parts joined with trusted text between them.</summary>
    public static Sql Join(string separator, IEnumerable<Sql> parts)
    {
        var sql = new Sql(64, 4);
        var first = true;
        foreach (var part in parts)
        {
            if (!first) sql.AppendLiteral(separator);
            sql.AppendFormatted(part);
            first = false;
        }
        return sql;
    }

    public void AppendLiteral(string text) => _text.Append(text);

    public void AppendFormatted(Sql part)
    {
        // the part's holes are renumbered: @pN is unique within the whole text
        var text = part._text.ToString();
        for (var at = 0; at < text.Length;)
        {
            var hole = text.IndexOf("@p", at, StringComparison.Ordinal);
            if (hole < 0) { _text.Append(text, at, text.Length - at); break; }
            var end = hole + 2;
            while (end < text.Length && char.IsAsciiDigit(text[end])) end++;
            _text.Append(text, at, hole - at);
            AppendFormatted(part._values[int.Parse(text.AsSpan(hole + 2, end - hole - 2))]);
            at = end;
        }
    }

    /// <summary>
    /// Taken for an interpolated string that stands in a hole, before the other overloads, and does not compile: it would be read as SQL, where most often a text was meant.
    /// </summary>
    [OverloadResolutionPriority(1)]
    [Obsolete("An interpolated string in a hole of SQL would be read as SQL. For a text, make a local variable of it; for SQL, a local variable of type Sql, or cast it: (Sql)$\"…\".", error: true)]
    public void AppendFormatted(SqlHole text) => throw new NotSupportedException(nameof(text));

    public void AppendFormatted(object? value)
    {
        _text.Append("@p").Append(_values.Count);
        _values.Add(value);
    }

    internal DbCommand Command(DbConnection connection, DbTransaction? transaction, PreparedCommands? prepared = null)
    {
        var text = _text.ToString();
        if (prepared?.Take(text) is { } known)
        {
            known.Transaction = transaction;
            for (var i = 0; i < _values.Count; i++) known.Parameters[i].Value = Stored(_values[i]);
            return known;
        }
        var command = connection.CreateCommand();
        command.CommandText = text;
        command.Transaction = transaction;
        for (var i = 0; i < _values.Count; i++)
        {
            var parameter = command.CreateParameter();
            parameter.ParameterName = "@p" + i;
            parameter.Value = Stored(_values[i]);
            command.Parameters.Add(parameter);
        }
        return command;
    }

    static object Stored(object? value) => value switch
    {
        null => DBNull.Value,
        Digest id => id.ToString(),
        RunId id => id.Value,
        Workspace workspace => workspace.Name,
        DateTimeOffset time => time.ToUnixTimeMilliseconds(),
        Enum e => e.ToString(),
        bool b => b ? 1L : 0L,
        int n => (long)n,
        // PostgreSQL's text can't hold one, so neither engine's may
        string text when text.Contains('\0') => throw TaktException.Invalid("a text with a NUL character (\\u0000) can't be stored; take it out"),
        var v => v,
    };

    public override string ToString() => _text.ToString();
}
