using Takt.Data;
using Takt.Data.Remotes;
using Takt.Deployments;
using Takt.Evaluation;
using Takt.ML.Runtimes;
using Takt.ML.Trainers;
using Takt.Models;
using Takt.Monitors;
using Takt.Pipelines;
using Takt.Runs;
using Takt.Runs.Traces;
using Takt.Server.Executors.Local;
using Takt.Server.Protocols.Webhooks;
using Takt.Storage;
using Takt.Storage.FileSystem;
using Takt.Storage.Packs;
using Takt.Storage.PostgreSql;
using Takt.Storage.S3;
using Takt.Storage.Sqlite;

namespace Takt.Server;

/// <summary>
/// The composition root: one project folder opened, every stage of the line wired to its rows and bytes. The only place that names storage
/// engines, trainers and runtimes. <c>takt run</c> uses it as it is; <c>takt serve</c> puts a web host around it.
/// </summary>
public sealed class TaktApp : IAsyncDisposable
{
    TaktApp(TaktFolder folder, Database database, PackStore blobs, string scratch, TimeProvider time, bool testing, string? python, S3BlobStore? bucket)
    {
        Testing = testing;
        Bucket = bucket;
        Folder = folder;
        Database = database;
        Blobs = blobs;
        Time = time;
        Leases = new Leases(database, time, Leases.OwnerOf(folder.State));
        Workspaces = new Workspaces(database, time);
        Datasets = new Datasets(database, blobs, time, scratch);
        Runs = new RunTracker(database, blobs, time, folder.Cache);
        ModelCatalog = new ModelCatalog(database, time);
        ModelCatalog.Renaming += RenamedModels.Follow;
        Webhooks = new Webhooks(database, new SecretBox(Path.Combine(folder.State, "secrets.key")), time, loopback: testing);
        WebhookSender = new WebhookSender(Webhooks, time);
        LoggedModels = new LoggedModels(database, time);
        Experiments = new Experiments(database, time);
        _points = database.Dialect == SqlDialect.Sqlite && OperatingSystem.IsLinux() ? new PointJournal(database, folder.Points, time) : null;
        RunLog = new RunLog(database, time, points: _points);
        RunSearch = new RunSearch(database);
        MetricHistory = new MetricHistory(database);
        RunGrid = new RunGrid(database);
        ExperimentGrid = new ExperimentGrid(database);
        MetricSeries = new MetricSeries(database);
        Artifacts = new ArtifactFiles(database, blobs, time);
        Uploads = new ArtifactUploads(database, blobs, Artifacts, bucket?.Uploads, time);
        Traces = new TraceLog(database, time);
        Assessments = new Assessments(database, time);
        EvaluationSets = new EvaluationSets(database, time);
        Scorers = new Scorers(database, time);
        Gates = new GateTable(database, time);
        Models = new ModelRegistry(database, blobs, [new LightGbmRuntime(), new OnnxRuntime(), new XgBoostRuntime(), new PythonRuntime(python), new MlNetRuntime()], time, folder.Cache);
        Shared = database.Dialect == SqlDialect.PostgreSql;
        var server = $"{Environment.MachineName}:{folder.State}";
        Outages = new Outages(time);
        Fleet = Shared ? new Fleet(database, server, time) : null;
        Predictions = new PredictionLogs(folder, time, Shared ? new SharedLog(database, blobs, server, time) : null);
        Router = new Router(Predictions.Of, time);
        ServingTraces = new ServingTraces(this);
        Deployments = new DeploymentBook(database, time);
        Rollouts = new Rollouts(Deployments, Models, Router, Predictions, time, server, RemoteModel.Connect, Fleet);
        Purge = new Purge(database, blobs, Datasets, time, folder) { Uploads = Uploads };
        Workspaces.Removing += Purge.Follow;
        Lineage = new Lineage(database, Datasets, Models, Predictions);
        Monitors = new MonitorWatch(new MonitorTable(database, time, Leases), Models, Predictions, Datasets, time);
        Collector = new Collector(Datasets, [new HttpSource(time), new S3Source(), new PostgreSqlSource(), new SqliteSource(), new PredictionSource(Predictions), new FileSource()]);
        DatasetRetention = new DatasetRetention(database, time);
        Collect = new CollectStep(Collector, Datasets, DatasetRetention, time);
        Steps =
        [
            Collect, new SqlStep(), new ValidateDataStep(Datasets, time),
            new TrainStep([new LightGbmTrainer()], Runs), new EvaluateStep(Models), new GateStep(Gates), new RegisterStep(Models), new ScoreStep(Models),
            new DeployStep(Deployments, Models),
        ];
        Pipelines = new PipelineRunner(folder, database, blobs, Runs, Steps, new LocalExecutor(), time, Leases);
        Refreshes = new DataRefresh(Pipelines, Collect, database, time, Leases);
        Loop = new ClosedLoop(Monitors, Pipelines);
    }

    public TaktFolder Folder { get; }
    public Database Database { get; }
    /// <summary>All bytes: packs of the files of datasets, whole files of all else.</summary>
    public PackStore Blobs { get; }
    public TimeProvider Time { get; }
    /// <summary>Work that one of several servers does at a time.</summary>
    public Leases Leases { get; }
    /// <summary>Whether other servers may work on the same rows.</summary>
    public bool Shared { get; }
    /// <inheritdoc cref="TaktOptions.Testing"/>
    public bool Testing { get; }
    /// <inheritdoc cref="TaktOptions.S3Keys"/>
    internal Protocols.S3.S3Keys? S3Keys { get; init; }
    public Workspaces Workspaces { get; }
    public Datasets Datasets { get; }
    public DatasetRetention DatasetRetention { get; }
    public Collector Collector { get; }
    public CollectStep Collect { get; }
    public DataRefresh Refreshes { get; }
    public RunTracker Runs { get; }
    public ModelCatalog ModelCatalog { get; }
    public Webhooks Webhooks { get; }
    internal WebhookSender WebhookSender { get; }
    /// <summary>An address of the bucket itself for a download past the server; null: there is no bucket, or the bytes stand in a pack with others.</summary>
    internal async Task<Uri?> Presign(Digest blob, TimeSpan lifetime) =>
        Bucket is not null && await Bucket.Length(blob) is not null ? await Bucket.DownloadUrl(blob, lifetime, Time) : null;

    S3BlobStore? Bucket { get; }
    public LoggedModels LoggedModels { get; }
    public Experiments Experiments { get; }
    public RunLog RunLog { get; }
    public RunSearch RunSearch { get; }
    public MetricHistory MetricHistory { get; }
    public RunGrid RunGrid { get; }
    public ExperimentGrid ExperimentGrid { get; }
    public MetricSeries MetricSeries { get; }
    public ArtifactFiles Artifacts { get; }
    public ArtifactUploads Uploads { get; }
    public TraceLog Traces { get; }
    public Assessments Assessments { get; }
    public EvaluationSets EvaluationSets { get; }
    public Scorers Scorers { get; }
    public GateTable Gates { get; }
    public ModelRegistry Models { get; }
    public PipelineRunner Pipelines { get; }
    public DeploymentBook Deployments { get; }
    public Rollouts Rollouts { get; }
    /// <summary>The servers that serve models; null: no others can be on these rows.</summary>
    public Fleet? Fleet { get; }
    /// <summary>How what this server depends on was when it was last asked.</summary>
    internal Outages Outages { get; }
    public Router Router { get; }
    public PredictionLogs Predictions { get; }
    public ServingTraces ServingTraces { get; }
    internal Protocols.Prometheus.HttpDurations Durations { get; } = new();
    public Lineage Lineage { get; }
    public Purge Purge { get; }

    /// <summary>What was deleted so long ago the server purges by itself; null: nothing.</summary>
    public string? Retention { get; private init; }

    /// <summary>What nothing has referred to for so long the server takes out of the store by itself; null: nothing.</summary>
    public string? CollectGarbage { get; private init; }

    /// <inheritdoc cref="TaktOptions.Gateway"/>
    internal string? Gateway { get; private init; }
    public MonitorWatch Monitors { get; }
    public ClosedLoop Loop { get; }

    /// <summary>To the upstreams of LLM deployments. No timeout of its own: each upstream has one.</summary>
    public HttpClient UpstreamHttp { get; } = new(new SocketsHttpHandler { PooledConnectionLifetime = TimeSpan.FromMinutes(5), AutomaticDecompression = System.Net.DecompressionMethods.All, ActivityHeadersPropagator = null })
    {
        Timeout = Timeout.InfiniteTimeSpan,
    };

    /// <summary>Every step kind that <c>uses:</c> can name.</summary>
    public IReadOnlyList<IStepKind> Steps { get; }

    /// <param name="options">Where rows and bytes are; null: as the environment and <c>takt.config</c> say, else in the folder.</param>
    /// <exception cref="TaktException">The database or the store can't be used; the message says what to do.</exception>
    public static TaktApp Open(TaktFolder folder, TimeProvider? time = null, TaktOptions? options = null)
    {
        options ??= TaktOptions.Read(folder);
        var database = options.Database.Value is { } address ? PostgreSqlDatabase.Open(address) : SqliteFile.Open(folder.Database);
        try
        {
            var (blobs, scratch) = OpenBlobs(folder, options.Blobs.Value, time);
            return new TaktApp(folder, database, new PackStore(blobs, database, time ?? TimeProvider.System) { SmallInRows = blobs is FolderBlobStore }, scratch, time ?? TimeProvider.System, options.Testing, options.Python.Value, blobs as S3BlobStore)
            {
                Retention = options.Retention.Value,
                CollectGarbage = options.CollectGarbage.Value,
                S3Keys = options.S3Keys,
                Gateway = options.Gateway.Value,
            };
        }
        catch
        {
            database.DisposeAsync().AsTask().GetAwaiter().GetResult();
            throw;
        }
    }

    /// <summary>A remote by its address: a folder, <c>s3://…</c> or a Takt server.</summary>
    /// <param name="write">It is to be pushed to: a folder is made when it is not there.</param>
    /// <exception cref="TaktException">Invalid, NotFound, Denied, Unavailable: it can't be used, and why.</exception>
    public Remote OpenRemote(string address, bool write)
    {
        RemoteList.Check(address);
        if (Uri.TryCreate(address, UriKind.Absolute, out var url) && url.Scheme is "http" or "https") return new ServerRemote(url, Blobs.Scratch, Time);
        if (S3Address.IsUrl(address)) return new ObjectRemote(S3BlobStore.Open(address, Own(address), Time, passing: true), S3Address.Parse(address).ToString(), Own(address) + ".packs");
        var folder = Path.GetFullPath(address.StartsWith("file:", StringComparison.Ordinal) ? new Uri(address).LocalPath : address, Folder.Root);
        return new ObjectRemote(write ? new FolderBlobStore(folder, Time) : FolderBlobStore.ForReading(folder), folder, Own(folder) + ".packs");

        string Own(string place) => Path.Combine(Folder.Cache, "remotes", Digest.Of(System.Text.Encoding.UTF8.GetBytes(place)).Hex[..16]);
    }

    /// <summary>Opens objects of DVC's remotes in buckets, for <see cref="Data.Dvc.DvcImport"/>.</summary>
    public Func<Data.Dvc.DvcRemote, string, string?, CancellationToken, Task<Stream?>> DvcBuckets => _dvcBuckets.Open;

    readonly DvcBuckets _dvcBuckets = new();
    readonly PointJournal? _points;

    static (IBlobStore Blobs, string Scratch) OpenBlobs(TaktFolder folder, string? address, TimeProvider? time)
    {
        if (address is not null && S3Address.IsUrl(address))
        {
            var bucket = S3BlobStore.Open(address, Path.Combine(folder.Cache, "blobs"), time);
            return (bucket, bucket.Scratch);
        }
        if (address is not null && address.IndexOf("://", StringComparison.Ordinal) is > 0 and var at)
            throw TaktException.Invalid($"'{address[..at]}:' is no kind of store for blobs; there are a folder and s3://bucket/prefix?endpoint=…");
        var files = new FolderBlobStore(address is null ? folder.Store : Path.GetFullPath(address, folder.Root), time);
        return (files, files.Scratch);
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var endpoint in Router.Endpoints) Router.Remove(endpoint);
        UpstreamHttp.Dispose();
        _dvcBuckets.Dispose();
        WebhookSender.Dispose();
        await ServingTraces.DisposeAsync();
        await Predictions.DisposeAsync();
        if (_points is not null) await _points.DisposeAsync();
        await Database.DisposeAsync();
        (Blobs as IDisposable)?.Dispose();
    }
}
