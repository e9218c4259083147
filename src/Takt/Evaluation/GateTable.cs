using Takt.Storage;

namespace Takt.Evaluation;

/// <summary>Each rule of each gate that was asked, with the value of both sides.</summary>
public sealed class GateTable(Database database, TimeProvider time)
{
    /// <param name="run">The run of the gate's stage.</param>
    /// <param name="champion">The version that was compared with; null when there was none.</param>
    public Task Put(RunId run, string gate, IReadOnlyList<GateOutcome> outcomes, string? champion) => database.Write(session =>
    {
        for (var i = 0; i < outcomes.Count; i++)
        {
            var outcome = outcomes[i];
            session.Execute($"""
                insert into gate_result(run, gate, seq, rule, verdict, left_value, right_value, reason, champion, time)
                values({run}, {gate}, {i}, {outcome.Rule}, {outcome.Verdict}, {outcome.Left}, {outcome.Right}, {outcome.Reason}, {champion}, {time.GetUtcNow()})
                on conflict(run, gate, seq) do nothing
                """);
        }
    });

    public IReadOnlyList<GateOutcome> Of(RunId run) => database.Read(session => session.Query(
        $"select rule, verdict, left_value, right_value, reason from gate_result where run = {run} order by gate, seq",
        row => new GateOutcome(row.Text(0), row.Enum<GateVerdict>(1), row.RealOrNull(2), row.RealOrNull(3), row.Text(4))));
}
