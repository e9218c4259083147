using Takt.Data;
using Takt.Pipelines;
using Takt.Runs;

namespace Takt.Models;

/// <summary><c>train-tabular</c>: learns a model from a table of data and writes its package.</summary>
public sealed class TrainStep(IReadOnlyList<ITrainer> trainers, RunTracker tracker) : IStepKind
{
    static readonly string[] Settings = ["trees", "leaves", "learning-rate", "min-leaf", "feature-fraction", "bagging-fraction", "l2", "max-bin"];

    public string Name => "train-tabular";

    public bool OnlyWritesOutputs => true;

    public StepDeclaration Declare(StepArguments with)
    {
        var arguments = Read(with);
        return new StepDeclaration([arguments.Data], [arguments.Output]);
    }

    public async Task<StepOutcome> Run(StepContext context, CancellationToken cancel)
    {
        var (data, output, algorithm, request) = Read(context.With);
        var table = Tables.Read([context.PathOf(data)], request.Features is null ? null : [.. request.Features, request.Target]);
        var folder = context.PathOf(output);
        var tmp = folder.TrimEnd('/') + ".takt-tmp";
        if (Directory.Exists(tmp)) Directory.Delete(tmp, recursive: true);
        Directory.CreateDirectory(tmp);
        try
        {
            await tracker.LogParams(context.Run, Params(algorithm, request));
            var metrics = trainers.First(t => t.Algorithm == algorithm).Train(request, table, tmp, context.Log, cancel);
            Directory.Move(tmp, folder.TrimEnd('/'));
            return new StepOutcome($"{algorithm} on {table.Rows:N0} rows", metrics, new Dictionary<string, string>());
        }
        finally
        {
            if (Directory.Exists(tmp)) Directory.Delete(tmp, recursive: true);
        }
    }

    (string Data, string Output, string Algorithm, TrainingRequest Request) Read(StepArguments with)
    {
        var output = with.Text("output");
        if (output.Length > 0 && !output.EndsWith('/')) output += "/";
        var parameters = new SortedDictionary<string, double>(StringComparer.Ordinal);
        foreach (var name in Settings)
            if (with.NumberOrNull(name) is { } value)
            {
                if (value < 0 || (name is "trees" or "leaves" or "learning-rate" && value == 0)) with.Fault(name, $"{name} must be above 0");
                parameters[name] = value;
            }
        var features = with.Texts("features");
        var request = new TrainingRequest(with.Choice("task", "binary", "regression", "multiclass"), with.Text("target"), features.Count == 0 ? null : features,
            with.Texts("categorical"), parameters, (int)with.Integer("seed", 1));
        return (with.Text("data"), output, with.Choice("algorithm", trainers.Select(t => t.Algorithm).ToArray()), request);
    }

    static Dictionary<string, string> Params(string algorithm, TrainingRequest request)
    {
        var values = request.Parameters.ToDictionary(p => p.Key, p => p.Value.ToString("R"));
        values["algorithm"] = algorithm;
        values["task"] = request.Task;
        values["target"] = request.Target;
        values["seed"] = request.Seed.ToString();
        return values;
    }
}
