using Takt.Storage;

namespace Takt.Server;

/// <summary>Where rows and bytes are. A flag wins over the environment (<c>TAKT__DATABASE</c>), that over the project's <c>takt.config</c>, that over the default.</summary>
public sealed record TaktOptions
{
    /// <summary>A PostgreSQL address; null: SQLite in the project's state.</summary>
    public required TaktSetting Database { get; init; }

    /// <summary><c>s3://…</c>, or a folder relative to the project; null: a folder in the project's state.</summary>
    public required TaktSetting Blobs { get; init; }

    /// <summary>What was deleted so long ago is purged by the server, once an hour, such as <c>30d</c>; null: never by itself.</summary>
    public TaktSetting Retention { get; init; } = new("retention", null, "default");

    /// <summary>What nothing has referred to for so long goes out of the store (into quarantine, a week later for good), by the server, once a day, with the versions that retention rules drop, such as <c>14d</c>; null: never by itself.</summary>
    public TaktSetting CollectGarbage { get; init; } = new("collect-garbage", null, "default");

    /// <summary>The interpreter of Python models, where a deployment names none; null: <c>python3</c>. <c>TAKT_PYTHON</c> sets it as well.</summary>
    public TaktSetting Python { get; init; } = new("python", null, "default");

    /// <summary>An MLflow AI gateway that the prompt engineering pages of MLflow's UI ask through this server; null: none. <c>MLFLOW_DEPLOYMENTS_TARGET</c> sets it as well.</summary>
    public TaktSetting Gateway { get; init; } = new("gateway", null, "default");

    /// <summary>Names that this server answers to besides addresses and those of loopback, such as <c>takt.example,*.team.example</c>; null: none on loopback, any elsewhere; <c>*</c>: any.</summary>
    public TaktSetting AllowedHosts { get; init; } = new("allowed-hosts", null, "default");

    /// <summary>Foreign test suites run against this server: webhooks may go to this machine by http, and <c>POST /testing/reset</c> empties everything.</summary>
    public bool Testing { get; init; }

    /// <summary>What this server does of what a whole one does.</summary>
    public ServerRoles Roles { get; init; } = ServerRoles.All;

    /// <summary>Where the Open Inference Protocol is answered over gRPC, beside HTTP; 0: any port that is free; null: nowhere.</summary>
    public int? GrpcPort { get; init; }

    /// <summary>A client that has had no room for its answers for so long is given up, on Linux (<see cref="StalledClients"/>); a second at least.</summary>
    public TimeSpan ClientPatience { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>What clients of the S3 view must sign with; null: they need not, and must be on this machine.</summary>
    public Protocols.S3.S3Keys? S3Keys { get; init; }

    /// <exception cref="TaktException">Invalid: <c>takt.config</c>; or a password where others can read it, in a flag or in the file.</exception>
    public static TaktOptions Read(TaktFolder folder, string? database = null, string? blobs = null)
    {
        var file = ReadFile(folder.Settings);
        return new TaktOptions { Database = Setting("database", database, file), Blobs = Setting("blobs", blobs, file), Retention = Duration(Setting("retention", null, file)), CollectGarbage = Duration(Setting("collect-garbage", null, file)), Python = Named("TAKT_PYTHON", "python", file), Gateway = Url(Named("MLFLOW_DEPLOYMENTS_TARGET", "gateway", file)), AllowedHosts = Setting("allowed-hosts", null, file), S3Keys = Protocols.S3.S3Keys.FromEnvironment() };
    }

    static TaktSetting Setting(string name, string? flag, IReadOnlyDictionary<string, string> file)
    {
        var variable = "TAKT__" + name.ToUpperInvariant().Replace('-', '_');
        if (!string.IsNullOrEmpty(flag)) return Open(new(name, flag, "--" + name));
        if (Environment.GetEnvironmentVariable(variable) is { Length: > 0 } value) return new(name, value, variable);
        return file.TryGetValue(name, out var written) ? Open(new(name, written, "takt.config")) : new(name, null, "default");
    }

    // under a name of its own besides TAKT__NAME
    static TaktSetting Named(string variable, string name, Dictionary<string, string> file) =>
        Environment.GetEnvironmentVariable(variable) is { Length: > 0 } value ? new(name, value, variable) : Setting(name, null, file);

    static TaktSetting Url(TaktSetting setting) => setting.Value is null || (Uri.TryCreate(setting.Value, UriKind.Absolute, out var url) && url.Scheme is "http" or "https") ? setting
        : throw TaktException.Invalid($"{setting.Name} in {setting.Source} is '{setting.Value}', not an address such as http://localhost:5001");

    static TaktSetting Duration(TaktSetting setting) => setting.Value is null || Pipelines.Quantity.TryDuration(setting.Value, out _) ? setting
        : throw TaktException.Invalid($"{setting.Name} in {setting.Source} is '{setting.Value}', not a duration such as 30d, 366d at most");

    // arguments stand in every list of processes, and the file in git
    static TaktSetting Open(TaktSetting setting) => !AddressPassword.IsIn(setting.Value!) ? setting
        : throw TaktException.Invalid($"{setting.Name} in {setting.Source} holds a password that others can read; take it out and set PGPASSWORD, or put the whole address into TAKT__DATABASE");

    static Dictionary<string, string> ReadFile(string path)
    {
        var settings = new Dictionary<string, string>(StringComparer.Ordinal);
        if (!File.Exists(path)) return settings;
        var faults = new List<string>();
        var number = 0;
        foreach (var line in File.ReadLines(path).Select(line => line.Trim()))
        {
            number++;
            if (line.Length == 0 || line[0] == '#') continue;
            var pair = line.Split('=', 2, StringSplitOptions.TrimEntries);
            if (pair is [var name and ("database" or "blobs" or "retention" or "collect-garbage" or "python" or "allowed-hosts"), { Length: > 0 } value]) settings[name] = value;
            else if (pair is [var remote, { Length: > 0 }] && remote.StartsWith(Data.Remotes.RemoteList.Prefix, StringComparison.Ordinal)) continue;
            else faults.Add($"takt.config:{number}: not a setting; there are 'database = postgres://…' , 'blobs = s3://…', 'retention = 30d', 'collect-garbage = 14d', 'python = /usr/bin/python3', 'allowed-hosts = takt.example' and 'remote.NAME = ADDRESS'");
        }
        return faults.Count == 0 ? settings : throw new TaktException(TaktError.Invalid, faults);
    }
}
