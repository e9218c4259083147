namespace Takt.Storage;

/// <summary>The tables of a database and which refers to which, as the database itself tells: what must be emptied before what.</summary>
sealed class TableGraph
{
    readonly List<Reference> _references;

    TableGraph(IReadOnlyList<string> tables, IReadOnlyList<string> withWorkspace, List<Reference> references) =>
        (Tables, WithWorkspace, _references) = (tables, withWorkspace, references);

    /// <summary>Those that refer to others before those they refer to.</summary>
    public IReadOnlyList<string> Tables { get; }

    /// <summary>Those with a column <c>workspace</c>, in the order of <see cref="Tables"/>.</summary>
    public IReadOnlyList<string> WithWorkspace { get; }

    public static TableGraph Read(SqlSession session)
    {
        var sqlite = session.Dialect == SqlDialect.Sqlite;
        var names = sqlite
            ? session.Query($"select name from sqlite_master where type = 'table' and name not like 'sqlite_%' and sql not like 'create virtual%' order by name", row => row.Text(0))
            : session.Query($"select relname::text from pg_class where relnamespace = current_schema()::regnamespace and relkind = 'r' order by relname", row => row.Text(0));
        var references = sqlite
            ? session.Query($"""
                select m.name, f."from", f."table", coalesce(f."to", 'id') from sqlite_master m, pragma_foreign_key_list(m.name) f where m.type = 'table'
                """, Row)
            : session.Query($"""
                select c.conrelid::regclass::text, a.attname::text, c.confrelid::regclass::text, b.attname::text from pg_constraint c
                join pg_attribute a on a.attrelid = c.conrelid and a.attnum = c.conkey[1] join pg_attribute b on b.attrelid = c.confrelid and b.attnum = c.confkey[1]
                where c.contype = 'f' and c.connamespace = current_schema()::regnamespace
                """, Row);
        var scoped = sqlite
            ? session.Query($"select m.name from sqlite_master m, pragma_table_info(m.name) i where m.type = 'table' and i.name = 'workspace'", row => row.Text(0))
            : session.Query($"select table_name::text from information_schema.columns where table_schema = current_schema() and column_name = 'workspace'", row => row.Text(0));
        var order = new List<string>(names.Count);
        var placed = new HashSet<string>(StringComparer.Ordinal);
        foreach (var name in names) Place(name);
        return new TableGraph(order, order.FindAll(scoped.Contains), references);

        void Place(string name)
        {
            if (!placed.Add(name)) return;
            foreach (var child in references) if (child.To == name) Place(child.From);
            order.Add(name);
        }

        static Reference Row(SqlRow row) => new(Plain(row.Text(0)), row.Text(1), Plain(row.Text(2)), row.Text(3));

        static string Plain(string name) => name[(name.LastIndexOf('.') + 1)..].Trim('"');
    }

    /// <summary>Deletes the rows, and before them those of other tables that refer to them.</summary>
    /// <param name="where">A condition over the table's own columns.</param>
    public void Delete(SqlSession session, string table, Sql where, int depth = 0)
    {
        if (depth > Tables.Count) return; // a circle of references
        foreach (var child in _references.Where(r => r.To == table && r.From != table))
            Delete(session, child.From, $"{Sql.Raw(child.Column)} in (select {Sql.Raw(child.Target)} from {Sql.Raw(table)} where {where})", depth + 1);
        session.Execute($"delete from {Sql.Raw(table)} where {where}");
    }

    /// <summary>Whether a row of another table refers to this one.</summary>
    /// <param name="besides">A table that does not count.</param>
    public bool IsUsed(SqlSession session, string table, long id, string besides) => _references.Exists(r => r.To == table && r.From != table && r.From != besides
        && session.Number($"select 1 from {Sql.Raw(r.From)} where {Sql.Raw(r.Column)} = {id} limit 1") is not null);

    readonly record struct Reference(string From, string Column, string To, string Target);
}
