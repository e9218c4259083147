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
    }
}
