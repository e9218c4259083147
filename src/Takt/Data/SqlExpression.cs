using DuckDB.NET.Data;

namespace Takt.Data;

/// <summary>A piece of SQL that a user wrote into a larger statement: it must be one expression, so that it can't end the statement or begin another.</summary>
static class SqlExpression
{
    /// <exception cref="TaktException">Invalid: not one expression, or one that reads a table or a file of its own.</exception>
    public static void Require(DuckDBConnection connection, string what, string expression)
    {
        using var command = connection.CreateCommand();
        // the parser's own tree: one statement, one SELECT, one column, no FROM, and no other SELECT anywhere inside
        command.CommandText = """
            select j->>'error', j->>'error_message', json_array_length(j->'statements'), j->>'$.statements[0].node.type', json_array_length(j->'$.statements[0].node.select_list'),
              j->>'$.statements[0].node.from_table.type', contains(j::varchar, '"SUBQUERY"'),
              (j->>'$.statements[0].node.where_clause') is null and (j->>'$.statements[0].node.having') is null and (j->>'$.statements[0].node.qualify') is null
                and coalesce(json_array_length(j->'$.statements[0].node.modifiers'), 0) = 0 and coalesce(json_array_length(j->'$.statements[0].node.group_expressions'), 0) = 0
            from (select json_serialize_sql($1::varchar)::json as j)
            """;
        command.Parameters.Add(new DuckDBParameter($"select (\n{expression}\n)"));
        using var reader = command.ExecuteReader();
        reader.Read();
        if (reader.GetString(0) == "true") throw TaktException.Invalid($"{what}: '{expression}' is not an expression: {reader.GetString(1)}");
        var single = Convert.ToInt64(reader.GetValue(2)) == 1 && reader.GetString(3) == "SELECT_NODE" && Convert.ToInt64(reader.GetValue(4)) == 1
            && reader.GetString(5) == "EMPTY" && reader.GetBoolean(7);
        if (!single) throw TaktException.Invalid($"{what}: '{expression}' is more than one expression");
        if (reader.GetBoolean(6)) throw TaktException.Invalid($"{what}: '{expression}' has a SELECT of its own; write a rule with sql: for that");
    }
}
