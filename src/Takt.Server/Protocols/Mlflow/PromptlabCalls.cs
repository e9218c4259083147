using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Http;
using Takt.Runs;

namespace Takt.Server.Protocols.Mlflow;

/// <summary>
/// <c>ajax-api/2.0/mlflow/runs/create-promptlab-run</c>: what was tried out in MLflow's prompt engineering page becomes a run with its parameters, the table of its
/// result, and a model that asks the same gateway with the same prompt.
/// </summary>
sealed class PromptlabCalls(RunLog runs, ArtifactFiles artifacts, TimeProvider time)
{
    const string Table = "eval_results_table.json";

    public async Task Create(HttpContext http, MlflowRequest request)
    {
        var experiment = Required("experiment_id", request.IdOrNull("experiment_id"));
        var template = Required("prompt_template", request.TextOrNull("prompt_template"));
        var prompt = Pairs(request, "prompt_parameters");
        if (prompt.Count == 0) throw Missing("prompt_parameters");
        var route = Required("model_route", request.TextOrNull("model_route"));
        var input = Required("model_input", request.TextOrNull("model_input"));
        _ = Required("mlflow_version", request.TextOrNull("mlflow_version"));
        var (model, output) = (Pairs(request, "model_parameters"), Pairs(request, "model_output_parameters"));
        var log = runs.In(request.Workspace);
        var run = await log.Create(long.TryParse(experiment, NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : throw TaktException.NotFound($"No Experiment with id={experiment} exists"),
            request.TextOrNull("user_id") ?? "unknown", request.TextOrNull("run_name"), request.NumberOrNull("start_time"), request.Pairs("tags"));
        var done = RunStatus.FAILED;
        try
        {
            List<KeyValuePair<string, string>> given = [.. model, new("model_route", route), new("prompt_template", template)];
            foreach (var (key, value) in given)
            {
                MlflowLimits.Key(key, "Param key");
                MlflowLimits.Param(value);
            }
            await log.Add(run.Id, new LogEntry([], given, [new("mlflow.loggedArtifacts", $$"""[{"path": "{{Table}}", "type": "table"}]"""), new("mlflow.runSourceType", "PROMPT_ENGINEERING")]));
            var (id, made) = (Guid.NewGuid().ToString("N"), time.GetUtcNow().ToString("yyyy-MM-dd HH:mm:ss.ffffff", CultureInfo.InvariantCulture));
            await log.AddModelHistory(run.Id, new JsonObject { ["run_id"] = run.Id, ["artifact_path"] = "model", ["utc_time_created"] = made, ["model_uuid"] = id, ["flavors"] = new JsonObject() }.ToJsonString());
            foreach (var (name, text) in Files(run.Id, id, made, template, route, prompt, model)) await Put(http, run, "model/" + name, text);
            await Put(http, run, Table, new JsonObject
            {
                ["columns"] = new JsonArray([.. prompt.Select(p => (JsonNode?)p.Key), "prompt", "output", .. output.Select(p => (JsonNode?)p.Key)]),
                ["data"] = new JsonArray(new JsonArray([.. prompt.Select(p => (JsonNode?)p.Value), input, request.TextOrNull("model_output"), .. output.Select(p => (JsonNode?)p.Value)])),
            }.ToJsonString());
            done = RunStatus.FINISHED;
        }
        finally
        {
            await log.Update(run.Id, done, time.GetUtcNow().ToUnixTimeMilliseconds(), null);
        }
        await MlflowAnswer.Write(http, json =>
        {
            json.WriteStartObject("run");
            RunJson.Write(json, log.Get(run.Id));
            json.WriteEndObject();
        });
    }

    /// <summary>The model as MLflow's <c>mlflow.prompt.promptlab_model</c> loads it. JSON's texts are YAML's as well.</summary>
    static IEnumerable<(string Name, string Text)> Files(string run, string id, string made, string template, string route, IReadOnlyList<KeyValuePair<string, string>> prompt, IReadOnlyList<KeyValuePair<string, string>> model)
    {
        var example = new JsonObject { ["inputs"] = new JsonArray([.. prompt.Select(p => (JsonNode?)p.Value)]) }.ToJsonString();
        var inputs = new JsonArray([.. prompt.Select(p => (JsonNode?)Column(p.Key))]).ToJsonString();
        yield return ("MLmodel", $"""
            artifact_path: model
            flavors:
              python_function:
                env:
                  conda: conda.yaml
                  virtualenv: python_env.yaml
                loader_module: mlflow.prompt.promptlab_model
                parameters_path: parameters.yaml
                python_version: 3.11.0
            mlflow_version: {MlflowApi.Version}
            model_uuid: {id}
            run_id: {run}
            saved_input_example_info:
              artifact_path: input_example.json
              serving_input_path: serving_input_example.json
              type: json_object
            signature:
              inputs: {Quoted(inputs)}
              outputs: {Quoted(new JsonArray(Column("output")).ToJsonString())}
              params: null
            utc_time_created: '{made}'

            """);
        yield return ("parameters.yaml", $"""
            model_parameters: {Map(model)}
            model_route: {Quoted(route)}
            prompt_parameters: {Map(prompt)}
            prompt_template: {Quoted(template)}

            """);
        yield return ("input_example.json", example);
        yield return ("serving_input_example.json", example);
        yield return ("requirements.txt", $"mlflow[gateway]=={MlflowApi.Version}\n");
        yield return ("python_env.yaml", "python: 3.11.0\nbuild_dependencies:\n- pip\n- setuptools\n- wheel\ndependencies:\n- -r requirements.txt\n");
        yield return ("conda.yaml", $"channels:\n- conda-forge\ndependencies:\n- python=3.11.0\n- pip\n- pip:\n  - mlflow[gateway]=={MlflowApi.Version}\nname: mlflow-env\n");

        static JsonObject Column(string name) => new() { ["type"] = "string", ["name"] = name, ["required"] = true };
        static string Quoted(string text) => JsonValue.Create(text).ToJsonString();
        static string Map(IReadOnlyList<KeyValuePair<string, string>> pairs) => new JsonObject(pairs.DistinctBy(p => p.Key).Select(p => KeyValuePair.Create(p.Key, (JsonNode?)p.Value))).ToJsonString();
    }

    async Task Put(HttpContext http, TrackedRun run, string path, string text)
    {
        if (ArtifactFiles.PathOf(run.ArtifactUri) is not { } root) throw new TaktException(TaktError.NotSupported, $"The artifacts at {run.ArtifactUri} are not on this server");
        await artifacts.Put(ArtifactFiles.Scoped(http.Workspace(), $"{root}/{path}".TrimStart('/')), new MemoryStream(Encoding.UTF8.GetBytes(text)), http.RequestAborted);
    }

    static List<KeyValuePair<string, string>> Pairs(MlflowRequest request, string name) => request.Objects(name).ConvertAll(pair => KeyValuePair.Create(pair.Text("key"), pair.RawOrNull("value") switch
    {
        { ValueKind: JsonValueKind.String } => pair.TextOrNull("value")!,
        { } other => other.GetRawText(),
        null => "None",
    }));

    static string Required(string name, string? value) => string.IsNullOrEmpty(value) ? throw Missing(name) : value;

    static TaktException Missing(string name) => TaktException.Invalid($"CreatePromptlabRun request must specify {name}.");
}
