using System.Text.Json;
using Takt.Storage;

namespace Takt.Deployments;

/// <summary>A model that gets another name stays deployed: the revisions that name it follow, in the transaction of the renaming.</summary>
public static class RenamedModels
{
    public static void Follow(SqlSession session, string name, string to)
    {
        var prefix = name + "@";
        foreach (var model in session.Query($"select distinct model from revision where model is not null", row => row.Text(0)))
        {
            if (!model.StartsWith(prefix, StringComparison.Ordinal)) continue;
            var now = $"{to}@{model[prefix.Length..]}";
            session.Execute($"update revision set model = {now} where model = {model}");
        }
        foreach (var (endpoint, number, json) in session.Query($"select endpoint, number, spec from revision where spec like '%\"shadows\":[%'", row => (row.Text(0), row.Number(1), row.Text(2))))
        {
            var spec = JsonSerializer.Deserialize(json, DeploymentsJson.Default.DeploymentSpec)!;
            if (spec.Shadows?.Any(s => s.Model.StartsWith(prefix, StringComparison.Ordinal)) != true) continue;
            spec = spec with { Shadows = [.. spec.Shadows.Select(s => s.Model.StartsWith(prefix, StringComparison.Ordinal) ? s with { Model = $"{to}@{s.Model[prefix.Length..]}" } : s)] };
            session.Execute($"update revision set spec = {JsonSerializer.Serialize(spec, DeploymentsJson.Default.DeploymentSpec)} where endpoint = {endpoint} and number = {number}");
        }
    }
}
