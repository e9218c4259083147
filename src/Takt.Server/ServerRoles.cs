namespace Takt.Server;

/// <summary>What a server on a shared database does.</summary>
[Flags]
public enum ServerRoles
{
    /// <summary>Answers for models: follows the deployments' rows, drives their rollouts, and has no other API, page or worker.</summary>
    Serving = 1,
    /// <summary>All else: tracking, registry, data, dashboard, pipelines, monitors, purge, webhooks; loads no model.</summary>
    Control = 2,
    All = Serving | Control,
}
