using System.Text.Json;
using Takt.Storage;

namespace Takt.Runs.Traces;

/// <summary>Feedback on traces and what is expected of them, from people, code and judges.</summary>
public sealed class Assessments(Database database, TimeProvider time, Workspace workspace = default)
{
    const string Columns = "id, trace, kind, name, value, error, created, updated, source_type, source, span, rationale, overrides, valid, metadata";

    /// <summary>Those of another workspace.</summary>
    public Assessments In(Workspace other) => other == workspace ? this : new(database, time, other);

    /// <exception cref="TaktException">NotFound: the trace, or the assessment that is to be overridden.</exception>
    public Task<Assessment> Create(Assessment assessment) => database.Write(session =>
    {
        TraceLog.Known(session, assessment.Trace, workspace);
        if (assessment.Overrides is { } old && session.Execute($"update assessment set valid = 0 where trace = {assessment.Trace} and id = {old}") == 0)
            throw Unknown(assessment.Trace, old);
        return Find(session, assessment.Trace, Insert(session, assessment, time));
    });

    /// <exception cref="TaktException">NotFound.</exception>
    public Assessment Get(string trace, string id) => database.Read(session => Find(session, trace, id));

    /// <summary>Source and span stay; metadata is merged.</summary>
    /// <exception cref="TaktException">NotFound. Invalid: a value of the other kind.</exception>
    public Task<Assessment> Update(string trace, string id, AssessmentChange change) => database.Write(session =>
    {
        var old = Find(session, trace, id);
        if (change.Kind is { } kind && kind != old.Kind)
            throw TaktException.Invalid(kind == Assessment.Expectation ? "Cannot update expectation value on a Feedback assessment." : "Cannot update feedback value on an Expectation assessment.");
        var metadata = old.Metadata.ToDictionary(StringComparer.Ordinal);
        foreach (var (key, value) in change.Metadata ?? []) metadata[key] = value;
        var value2 = change.Value ?? old.Value;
        session.Execute($"""
            update assessment set name = {change.Name ?? old.Name}, value = {value2}, value_text = {Searched(value2)}, error = {(change.Kind is null ? old.Error : change.Error)},
                rationale = {(old.Kind == Assessment.Feedback ? change.Rationale ?? old.Rationale : old.Rationale)}, valid = {change.Valid ?? old.Valid},
                metadata = {Metadata(metadata)}, updated = {time.GetUtcNow()}
            where id = {id}
            """);
        return Find(session, trace, id);
    });

    /// <summary>What it had overridden is valid again. Nothing happens when it is not there.</summary>
    /// <exception cref="TaktException">NotFound: the trace.</exception>
    public Task Delete(string trace, string id) => database.Write(session =>
    {
        TraceLog.Known(session, trace, workspace);
        if (session.Text($"select overrides from assessment where trace = {trace} and id = {id}") is { } old) session.Execute($"update assessment set valid = 1 where trace = {trace} and id = {old}");
        session.Execute($"delete from assessment where trace = {trace} and id = {id}");
    });

    internal static string Insert(SqlSession session, Assessment a, TimeProvider time)
    {
        // an id that another trace's assessment has is no id for this one
        var id = a.Id.Length > 0 && session.Text($"select trace from assessment where id = {a.Id}") is var owner && (owner is null || owner == a.Trace) ? a.Id : $"a-{Guid.NewGuid():N}";
        var now = time.GetUtcNow().ToUnixTimeMilliseconds();
        session.Execute($"""
            insert into assessment(id, trace, kind, name, value, value_text, error, created, updated, source_type, source, span, rationale, overrides, valid, metadata, seq)
            values({id}, {a.Trace}, {a.Kind}, {a.Name}, {a.Value}, {Searched(a.Value)}, {a.Error}, {(a.Created == 0 ? now : a.Created)}, {(a.Updated == 0 ? now : a.Updated)},
                   {a.SourceType}, {a.Source}, {a.Span}, {a.Rationale}, {a.Overrides}, {a.Valid}, {Metadata(a.Metadata.DistinctBy(m => m.Key).ToDictionary())},
                   (select coalesce(max(x.seq), 0) + 1 from assessment x where x.trace = {a.Trace}))
            on conflict(id) do update set name = excluded.name, value = excluded.value, value_text = excluded.value_text, error = excluded.error, updated = excluded.updated,
                rationale = excluded.rationale, valid = excluded.valid, metadata = excluded.metadata
            """);
        return id;
    }

    internal static List<Assessment> Read(SqlSession session, Sql rest) => session.Query($"select {Sql.Raw(Columns)} from assessment {rest}", row => new Assessment
    {
        Id = row.Text(0),
        Trace = row.Text(1),
        Kind = row.Text(2),
        Name = row.Text(3),
        Value = row.Text(4),
        Error = row.TextOrNull(5),
        Created = row.Number(6),
        Updated = row.Number(7),
        SourceType = row.Text(8),
        Source = row.TextOrNull(9),
        Span = row.TextOrNull(10),
        Rationale = row.TextOrNull(11),
        Overrides = row.TextOrNull(12),
        Valid = row.Flag(13),
        Metadata = row.TextOrNull(14) is { } json ? [.. JsonSerializer.Deserialize(json, RunsJson.Default.DictionaryStringString)!] : [],
    });

    Assessment Find(SqlSession session, string trace, string id)
    {
        if (Read(session, $"where trace = {trace} and id = {id}").FirstOrDefault() is { } found && TraceRows.Existing(session, [trace], workspace).Count > 0) return found;
        throw TraceRows.Existing(session, [trace], workspace).Count > 0 ? Unknown(trace, id) : TaktException.NotFound($"Trace with request_id '{trace}' not found");
    }

    // 5.0 is looked for as 5, a text without its quotes
    static string Searched(string value) => value.EndsWith(".0", StringComparison.Ordinal) ? value[..^2] : SpanText.Plain(value);

    static string? Metadata(IReadOnlyDictionary<string, string> metadata) => metadata.Count == 0 ? null : JsonSerializer.Serialize(metadata, RunsJson.Default.IReadOnlyDictionaryStringString);

    static TaktException Unknown(string trace, string id) => TaktException.NotFound($"Assessment with ID '{id}' not found for trace '{trace}'");
}
