using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;

namespace Takt.Cli;

/// <summary>Help that begins with what people type.</summary>
sealed class ExampleHelp(HelpAction inner) : SynchronousCommandLineAction
{
    static readonly Dictionary<string, string[]> Examples = new(StringComparer.Ordinal)
    {
        ["takt"] = ["takt demo                       the whole loop on real flights", "takt init --from flights        a project to change", "takt run                        what has changed", "takt serve                      endpoint, monitors, dashboard"],
        ["run"] = ["takt run                        all stages whose inputs have changed", "takt run train                  this one and what it needs", "takt run -n                     only tell", "takt run --wait --timeout 2h    also until its rollouts are over"],
        ["why"] = ["takt why train                  a stage: what has changed", "takt why flights@champion       a model, a run, a prediction: where it is from"],
        ["import"] = ["takt import mlflow http://mlflow.example.org:5000", "takt import mlflow mlruns/ --dry-run"],
        ["gc"] = ["takt gc                         tells what would go", "takt gc --older-than 7d --apply --yes"],
        ["workspaces"] = ["takt workspaces create team-a", "takt runs list --workspace team-a"],
        ["serve"] = ["takt serve", "takt serve --port 0             any port that is free", "takt serve --allowed-hosts takt.example     behind a proxy on this machine that passes its Host on", "takt serve --grpc-port 8001     KServe's and Triton's gRPC clients as well", "takt serve --data /srv/takt --database postgres://takt@db/takt --blobs s3://bucket", "takt serve --roles serving --data replica --database postgres://takt@db/takt --blobs s3://bucket  a replica that only answers", "takt serve --data tmp --testing  an empty server for a test suite"],
        ["diff"] = ["takt data diff trips                 against the version before", "takt data diff trips@sha256:1f0c trips --key id"],
        ["sql"] = ["takt data sql \"select count(*) from trips\"", "takt data sql \"select * from trips@v3 anti join trips using (id)\" -o gone.parquet"],
        ["check"] = ["takt data check flights", "takt data check incoming/new.csv --expect expect.yaml"],
        ["suggest"] = ["takt data suggest flights            paste it below the entry in takt.yaml"],
        ["collect"] = ["takt data collect flights 'incoming/*.parquet'", "takt data collect orders             as takt.yaml says", "takt data collect orders --from 2001-01-01 --to 2001-02-01"],
        ["data"] = ["takt data log flights", "takt data sql \"select count(*) from flights\""],
        ["push"] = ["takt data push                       all that is known here", "takt data push trips --remote backup"],
        ["pull"] = ["takt data pull                       after git pull or git clone", "takt data pull images/ --only 'train/**'"],
        ["fetch"] = ["takt data fetch trips                its newest version, for takt data sql and the like", "takt data fetch trips --all"],
        ["import-dvc"] = ["takt data import-dvc                 every .dvc file and dvc.lock of the work tree", "takt data import-dvc raw/data.dvc", "takt data import-dvc --all-commits   with every version in git's history"],
        ["remote"] = ["takt data remote add origin /mnt/share/data", "takt data remote add origin 's3://bucket/team?endpoint=https://s3.example'", "takt data remote add origin http://takt.example:5000"],
        ["models"] = ["takt models show flights@champion", "takt models alias flights@3 champion", "takt models convert flights@champion --to onnx"],
        ["deploy"] = ["takt deploy status flights --watch   steps, traffic and evidence, live", "takt deploy pause flights            hold a rollout; resume, promote or abort it", "takt deploy rollback flights         the revision before comes back"],
        ["status"] = ["takt status                     what `takt run` would do"],
        ["deploy status"] = ["takt deploy status flights --watch", "takt deploy status flights --wait --timeout 1h && echo promoted"],
        ["deploy promote"] = ["takt deploy promote flights --wait"],
        ["deploy rollback"] = ["takt deploy rollback flights --wait --timeout 5m"],
        ["init"] = ["takt init --data churn.csv --target churn   the whole line for a table of your own", "takt init --from flights                    the demo's project", "takt init                                   a takt.yaml with one stage"],
        ["score"] = ["takt score flights@champion data.parquet -o scored.parquet", "takt score out/model/ *.csv -o scored.csv --keep id", "TAKT_PYTHON=venv/bin/python takt score churn@7 data.csv -o scored.csv"],
        ["config"] = ["takt config                     each setting, and where it is from"],
        ["data add"] = ["takt data add data/", "takt data add weights.onnx -m 'epoch 12'"],
        ["data commit"] = ["takt data commit -m 'week 12'    all that has changed"],
        ["data status"] = ["takt data status"],
        ["data checkout"] = ["takt data checkout               as the pointers in git say", "takt data checkout data/ --only 'images/**'", "takt data checkout trips@v3 old/trips/"],
        ["data log"] = ["takt data log flights"],
        ["data show"] = ["takt data show flights@v3"],
        ["data profile"] = ["takt data profile flights", "takt data profile incoming/new.csv"],
        ["data branch"] = ["takt data branch flights         the list", "takt data branch flights@v3 cleaned"],
        ["data tag"] = ["takt data tag flights@v3 release-1"],
        ["data merge"] = ["takt data merge flights@cleaned"],
        ["data verify"] = ["takt data verify", "takt data verify --quick"],
        ["data gc"] = ["takt data gc                     tells what would go", "takt data gc --apply"],
        ["data uses"] = ["takt data uses flights@main"],
        ["runs show"] = ["takt runs show ID"],
        ["runs logs"] = ["takt runs logs ID train"],
        ["models show"] = ["takt models show flights", "takt models show flights@champion --lineage"],
        ["models alias"] = ["takt models alias flights@3 champion"],
        ["labels"] = ["takt labels add flights labels.csv   columns id (or key), label, time"],
        ["labels add"] = ["takt labels add flights labels.csv", "takt labels add flights returned.parquet --server http://takt.example:5000"],
        ["monitor show"] = ["takt monitor show flights"],
        ["monitor"] = ["takt monitor show flights", "takt monitor alerts"],
        ["runs"] = ["takt runs list", "takt runs show ID", "takt runs logs ID train"],
        ["demo"] = ["takt demo", "takt demo --once --weeks 10"],
        ["schema"] = ["takt schema > takt.schema.json"],
        ["completion"] = ["eval \"$(takt completion bash)\""],
    };

    /// <summary>Commands below <c>takt data</c> that stand under their own name above.</summary>
    static readonly HashSet<string> Leaves = ["diff", "sql", "check", "suggest", "collect", "push", "pull", "fetch", "remote", "import-dvc"];

    /// <summary>Who asks for help need not name what is required.</summary>
    public override bool ClearsParseErrors => true;

    public override int Invoke(ParseResult parsed)
    {
        var command = parsed.CommandResult.Command;
        var path = string.Join(' ', CommandLine.Path(command).Reverse());
        if (Examples.TryGetValue(path.Length == 0 ? "takt" : path, out var lines) || Examples.TryGetValue(command.Name, out lines) && (command.Parents.FirstOrDefault() is RootCommand || Leaves.Contains(command.Name)))
        {
            Console.WriteLine("Examples:");
            foreach (var line in lines) Console.WriteLine("  " + line);
            Console.WriteLine();
        }
        if (command is not RootCommand root) return inner.Invoke(parsed);
        RootHelp.Print(root, Console.Out);
        return ExitCode.Ok;
    }
}
