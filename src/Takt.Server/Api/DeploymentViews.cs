using System.Text.Json.Nodes;
using Takt.Deployments;

namespace Takt.Server.Api;

/// <summary>Deployments, rollouts and their evidence as JSON (docs/cli-json.md).</summary>
static class DeploymentViews
{
    public static JsonObject Of(TaktApp app, Deployment deployment) => Of(app, deployment, app.Fleet?.View());

    /// <param name="fleet">Null: there are no other servers.</param>
    public static JsonObject Of(TaktApp app, Deployment deployment, IReadOnlyList<Replica>? fleet)
    {
        var route = app.Router.Find(deployment.Endpoint);
        var json = new JsonObject
        {
            ["endpoint"] = deployment.Endpoint,
            ["live"] = Of(deployment.Live, fleet, route?.Champion),
            ["challenger"] = Of(deployment.Challenger, fleet, route?.Challenger ?? route?.Shadows.FirstOrDefault(s => s.Slot.Revision.Number == deployment.Challenger?.Number)?.Slot),
            ["challengerShare"] = deployment.ChallengerShare,
            ["sticky"] = (deployment.Challenger ?? deployment.Live)?.Spec.Sticky,
            ["rollout"] = deployment.Rollout is { } rollout ? Of(rollout) : null,
            ["updatedAt"] = deployment.UpdatedAt,
            ["stoppedAt"] = deployment.StoppedAt,
        };
        if (app.Rollouts.WhyNotServed(deployment.Endpoint) is { } why) json["notServed"] = why;
        if (fleet is not null) json["servers"] = new JsonArray([.. fleet.Select(r => Of(r, deployment))]);
        json["shadows"] = new JsonArray([.. Shadows(app, deployment, route)]);
        if (deployment is { Rollout: { Active: true } under, Challenger: { } challenger })
        {
            json["strategy"] = challenger.Spec.Strategy;
            json["steps"] = new JsonArray([.. Steps(app, under, challenger.Spec)]);
            json["waiting"] = Waiting(app, deployment, fleet);
        }
        json["evidence"] = new JsonArray([.. (deployment.Rollout is { } newest ? app.Deployments.Looks(deployment.Endpoint, newest.Number).LastOrDefault()?.Evidence ?? [] : []).Select(Of)]);
        return json;
    }

    /// <summary>What a rollout under way waits for; null: there is none.</summary>
    public static string? Waiting(TaktApp app, Deployment deployment, IReadOnlyList<Replica>? fleet)
    {
        if (deployment is not { Rollout: { Active: true } rollout, Challenger: { } challenger }) return null;
        var requests = app.Deployments.Figures(rollout.Endpoint, rollout.Number).Where(f => f.Step == rollout.Step).Sum(f => f.Figures.Challenger.Requests);
        var evidence = app.Deployments.Looks(rollout.Endpoint, rollout.Number).LastOrDefault()?.Evidence ?? [];
        var behind = fleet?.Where(r => r.Live && !r.IsReady(rollout.Endpoint, challenger.Number)).Select(r => r.Name).ToList() ?? [];
        return RolloutWait.InWords(rollout, challenger.Spec, requests, evidence, behind, app.Time.GetUtcNow());
    }

    static IEnumerable<JsonNode> Steps(TaktApp app, Rollout rollout, DeploymentSpec spec)
    {
        var figures = app.Deployments.Figures(rollout.Endpoint, rollout.Number);
        for (var step = 0; step < spec.Steps; step++)
        {
            var answered = figures.Where(f => f.Step == step).Sum(f => f.Figures.Challenger.Requests);
            var begun = rollout.StepStartedAt is not null;
            yield return new JsonObject
            {
                ["kind"] = spec.IsShadow(step) ? "shadow" : spec.Strategy,
                ["share"] = spec.IsShadow(step) ? spec.Shadow!.Sample : spec.ShareAt(step),
                ["state"] = !begun || step > rollout.Step ? "to come" : step < rollout.Step ? "done" : "now",
                ["requests"] = answered,
                ["neededRequests"] = spec.IsShadow(step) ? spec.Shadow!.Requests : spec.StepRequests,
                ["seconds"] = begun && step == rollout.Step ? Math.Round((app.Time.GetUtcNow() - rollout.StepStartedAt!.Value).TotalSeconds, 1) : null,
                ["neededSeconds"] = (spec.IsShadow(step) ? spec.Shadow!.Time : spec.StepTime).TotalSeconds,
            };
        }
    }

    static IEnumerable<JsonNode> Shadows(TaktApp app, Deployment deployment, Route? route)
    {
        foreach (var shadow in route?.Shadows ?? [])
        {
            var stats = shadow.Slot.Stats.Now();
            yield return new JsonObject
            {
                ["model"] = shadow.Slot.Name,
                ["revision"] = shadow.Slot.Revision.Number,
                ["sample"] = shadow.Sample,
                ["requests"] = stats.Requests,
                ["errors"] = stats.Errors,
                ["p95Ms"] = Rounded(stats.Value("p95_ms")),
                ["dropped"] = shadow.Dropped,
                ["compared"] = shadow.Compared,
                ["agreed"] = shadow.Agreed,
                ["meanDifference"] = Rounded(shadow.MeanDifference, 6),
            };
        }
        foreach (var wanted in deployment.Live?.Spec.Shadows ?? [])
            if (app.Rollouts.WhyNotShadowed(deployment.Endpoint, wanted.Model) is { } why) yield return new JsonObject { ["model"] = wanted.Model, ["sample"] = wanted.Sample, ["notServed"] = why };
    }

    /// <summary>A server that serves models, and how far it is with the revisions that are wanted now.</summary>
    static JsonObject Of(Replica replica, Deployment deployment) => new()
    {
        ["name"] = replica.Name,
        ["up"] = replica.Live,
        ["seenAt"] = replica.SeenAt,
        ["revisions"] = new JsonArray([.. new[] { deployment.Live, deployment.Challenger }.OfType<Revision>().Select(r => (r.Number, Told: replica.Of(r.Endpoint, r.Number))).Select(r => new JsonObject
        {
            ["revision"] = r.Number,
            ["state"] = r.Told switch { null => "loading", { Fault: null } => "ready", _ => "failed" },
            ["fault"] = r.Told?.Fault,
        })]),
    };

    static JsonObject? Of(Revision? revision, IReadOnlyList<Replica>? fleet, Slot? slot)
    {
        if (revision is null) return null;
        var stats = slot?.Revision.Number == revision.Number ? slot.Stats.Now() : null;
        var json = new JsonObject
        {
            ["revision"] = revision.Number,
            ["model"] = revision.Model ?? revision.Spec.Elsewhere,
            ["createdAt"] = revision.CreatedAt,
            ["loaded"] = stats is not null,
            ["requests"] = stats?.Requests,
            ["errors"] = stats?.Errors,
            ["p50Ms"] = Rounded(stats?.Value("p50_ms")),
            ["p95Ms"] = Rounded(stats?.Value("p95_ms")),
        };
        if (fleet is null) return json;
        json["readyOn"] = fleet.Count(r => r.IsReady(revision.Endpoint, revision.Number));
        json["servers"] = fleet.Count(r => r.Live);
        return json;
    }

    public static JsonObject Of(Rollout rollout) => new()
    {
        ["rollout"] = rollout.Number,
        ["revision"] = rollout.Revision,
        ["state"] = rollout.State.ToString(),
        ["step"] = rollout.Step,
        ["stepStartedAt"] = rollout.StepStartedAt,
        ["evidence"] = rollout.Evidence,
        ["createdAt"] = rollout.CreatedAt,
        ["updatedAt"] = rollout.UpdatedAt,
    };

    public static JsonObject Of(RolloutLook look) => new()
    {
        ["time"] = look.Time,
        ["kind"] = look.Kind,
        ["step"] = look.Step,
        ["share"] = look.Share,
        ["challengerRequests"] = look.Challenger,
        ["championRequests"] = look.Champion,
        ["evidence"] = new JsonArray([.. look.Evidence.Select(Of)]),
    };

    static JsonObject Of(Evidence evidence) => new()
    {
        ["metric"] = evidence.Metric,
        ["verdict"] = evidence.Verdict switch { EvidenceVerdict.Harm => "harm", EvidenceVerdict.NoHarm => "no harm", _ => "open" },
        ["pairs"] = evidence.Pairs,
        ["challenger"] = evidence.Challenger,
        ["champion"] = evidence.Champion,
        ["difference"] = evidence.Difference,
        ["lower"] = evidence.Lower,
        ["upper"] = evidence.Upper,
        ["margin"] = evidence.Margin,
        ["alpha"] = evidence.Alpha,
        ["logEHarm"] = evidence.LogHarm,
        ["logENoHarm"] = evidence.LogSafe,
        ["words"] = evidence.InWords(),
    };

    static double? Rounded(double? value, int digits = 3) => value is { } v ? Math.Round(v, digits) : null;
}
