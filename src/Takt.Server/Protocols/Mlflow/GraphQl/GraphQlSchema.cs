namespace Takt.Server.Protocols.Mlflow.GraphQl;

/// <summary>The types of MLflow's schema. A field's value is the member of MLflow's JSON with the same name in snake case.</summary>
sealed class GraphQlSchema
{
    /// <summary>Own scalar: 64-bit numbers as text, which JavaScript would round.</summary>
    public const string LongString = "LongString";

    const string Definitions = """
        type Query {
          mlflowGetExperiment(input: MlflowGetExperimentInput): MlflowGetExperimentResponse
          mlflowGetMetricHistoryBulkInterval(input: MlflowGetMetricHistoryBulkIntervalInput): MlflowGetMetricHistoryBulkIntervalResponse
          mlflowGetRun(input: MlflowGetRunInput): MlflowGetRunResponse
          mlflowListArtifacts(input: MlflowListArtifactsInput): MlflowListArtifactsResponse
          mlflowSearchModelVersions(input: MlflowSearchModelVersionsInput): MlflowSearchModelVersionsResponse
          mlflowSearchRuns(input: MlflowSearchRunsInput): MlflowSearchRunsResponse
          test(inputString: String): Test
        }
        type Mutation {
          mlflowSearchDatasets(input: MlflowSearchDatasetsInput): MlflowSearchDatasetsResponse
          mlflowSearchRuns(input: MlflowSearchRunsInput): MlflowSearchRunsResponse
          testMutation(inputString: String): TestMutation
        }
        type Test { output: String }
        type TestMutation { output: String }
        enum MlflowDeploymentJobConnectionState { DEPLOYMENT_JOB_CONNECTION_STATE_UNSPECIFIED NOT_SET_UP CONNECTED NOT_FOUND REQUIRED_PARAMETERS_CHANGED }
        enum MlflowModelVersionDeploymentJobStateDeploymentJobRunState { DEPLOYMENT_JOB_RUN_STATE_UNSPECIFIED NO_VALID_DEPLOYMENT_JOB_FOUND RUNNING SUCCEEDED FAILED PENDING APPROVAL }
        enum MlflowModelVersionStatus { PENDING_REGISTRATION FAILED_REGISTRATION READY }
        enum MlflowRunStatus { RUNNING SCHEDULED FINISHED FAILED KILLED }
        enum MlflowViewType { ACTIVE_ONLY DELETED_ONLY ALL }
        type ErrorDetail { field: String message: String }
        type ApiError { code: String message: String helpUrl: String traceId: String errorDetails: [ErrorDetail] }
        type MlflowModelVersionDeploymentJobState {
          jobId: String runId: String jobState: MlflowDeploymentJobConnectionState runState: MlflowModelVersionDeploymentJobStateDeploymentJobRunState currentTaskName: String
        }
        type MlflowModelMetric { key: String value: Float timestamp: LongString step: LongString datasetName: String datasetDigest: String modelId: String runId: String }
        type MlflowModelParam { name: String value: String }
        type MlflowModelVersionTag { key: String value: String }
        type MlflowModelVersion {
          name: String version: String creationTimestamp: LongString lastUpdatedTimestamp: LongString userId: String currentStage: String description: String source: String runId: String
          status: MlflowModelVersionStatus statusMessage: String tags: [MlflowModelVersionTag!] runLink: String aliases: [String] modelId: String modelParams: [MlflowModelParam!]
          modelMetrics: [MlflowModelMetric!] deploymentJobState: MlflowModelVersionDeploymentJobState
        }
        type MlflowSearchModelVersionsResponse { modelVersions: [MlflowModelVersion!] nextPageToken: String apiError: ApiError }
        type MlflowDatasetSummary { experimentId: String name: String digest: String context: String }
        type MlflowSearchDatasetsResponse { datasetSummaries: [MlflowDatasetSummary!] apiError: ApiError }
        type MlflowMetricWithRunId { key: String value: Float timestamp: LongString step: LongString runId: String }
        type MlflowGetMetricHistoryBulkIntervalResponse { metrics: [MlflowMetricWithRunId!] apiError: ApiError }
        type MlflowFileInfo { path: String isDir: Boolean fileSize: LongString }
        type MlflowListArtifactsResponse { rootUri: String files: [MlflowFileInfo!] nextPageToken: String apiError: ApiError }
        type MlflowModelOutput { modelId: String step: LongString }
        type MlflowRunOutputs { modelOutputs: [MlflowModelOutput!] }
        type MlflowModelInput { modelId: String }
        type MlflowDataset { name: String digest: String sourceType: String source: String schema: String profile: String }
        type MlflowInputTag { key: String value: String }
        type MlflowDatasetInput { tags: [MlflowInputTag!] dataset: MlflowDataset }
        type MlflowRunInputs { datasetInputs: [MlflowDatasetInput!] modelInputs: [MlflowModelInput!] }
        type MlflowRunTag { key: String value: String }
        type MlflowParam { key: String value: String }
        type MlflowMetricExtension { key: String value: Float timestamp: LongString step: LongString datasetName: String datasetDigest: String modelId: String runId: String }
        type MlflowRunData { metrics: [MlflowMetricExtension!] params: [MlflowParam!] tags: [MlflowRunTag!] }
        type MlflowRunInfo {
          runId: String runUuid: String runName: String experimentId: String userId: String status: MlflowRunStatus startTime: LongString endTime: LongString artifactUri: String lifecycleStage: String
        }
        type MlflowRunExtension { info: MlflowRunInfo data: MlflowRunData inputs: MlflowRunInputs outputs: MlflowRunOutputs experiment: MlflowExperiment modelVersions: [MlflowModelVersion!] }
        type MlflowSearchRunsResponse { runs: [MlflowRunExtension!] nextPageToken: String apiError: ApiError }
        type MlflowGetRunResponse { run: MlflowRunExtension apiError: ApiError }
        type MlflowExperimentTag { key: String value: String }
        type MlflowExperiment {
          experimentId: String name: String artifactLocation: String lifecycleStage: String lastUpdateTime: LongString creationTime: LongString tags: [MlflowExperimentTag!]
        }
        type MlflowGetExperimentResponse { experiment: MlflowExperiment apiError: ApiError }
        input MlflowSearchModelVersionsInput { filter: String maxResults: LongString orderBy: [String] pageToken: String }
        input MlflowSearchDatasetsInput { experimentIds: [String] }
        input MlflowGetMetricHistoryBulkIntervalInput { runIds: [String] metricKey: String startStep: Int endStep: Int maxResults: Int }
        input MlflowListArtifactsInput { runId: String runUuid: String path: String pageToken: String }
        input MlflowSearchRunsInput { experimentIds: [String] filter: String runViewType: MlflowViewType maxResults: Int orderBy: [String] pageToken: String }
        input MlflowGetRunInput { runId: String runUuid: String }
        input MlflowGetExperimentInput { experimentId: String }
        """;

    public static readonly GraphQlSchema Mlflow = new(Definitions);

    readonly Dictionary<string, Dictionary<string, Field>> _objects = new(StringComparer.Ordinal), _inputs = new(StringComparer.Ordinal);
    readonly Dictionary<string, List<string>> _enums = new(StringComparer.Ordinal);

    GraphQlSchema(string text)
    {
        var lexer = new GraphQlLexer(text);
        while (lexer.Token != GraphQlLexer.Kind.End)
        {
            var (kind, name) = (lexer.Name(), lexer.Name());
            lexer.Take("{");
            if (kind == "enum")
            {
                var values = _enums[name] = [];
                while (!lexer.Skip("}")) values.Add(lexer.Name());
                continue;
            }
            var fields = (kind == "input" ? _inputs : _objects)[name] = new(StringComparer.Ordinal);
            while (!lexer.Skip("}"))
            {
                var field = lexer.Name();
                var arguments = new Dictionary<string, GraphQlType>(StringComparer.Ordinal);
                if (lexer.Skip("("))
                    while (!lexer.Skip(")"))
                    {
                        var argument = lexer.Name();
                        lexer.Take(":");
                        arguments[argument] = GraphQlParser.Type(lexer);
                    }
                lexer.Take(":");
                fields[field] = new Field(field, Snake(field), GraphQlParser.Type(lexer), arguments);
            }
        }
    }

    /// <param name="Member">Its name in MLflow's JSON.</param>
    internal sealed record Field(string Name, string Member, GraphQlType Type, IReadOnlyDictionary<string, GraphQlType> Arguments);

    public bool IsObject(string type) => _objects.ContainsKey(type);

    public Field? FieldOf(string type, string name) => _objects[type].GetValueOrDefault(name);

    /// <summary>Null when the type is no object that is put in.</summary>
    public IReadOnlyDictionary<string, Field>? InputFields(string type) => _inputs.GetValueOrDefault(type);

    /// <summary>Null when the type is no enumeration.</summary>
    public IReadOnlyList<string>? Values(string type) => _enums.GetValueOrDefault(type);

    public bool IsInput(string type) => type is "String" or "Int" or "Float" or "Boolean" or "ID" or LongString || _inputs.ContainsKey(type) || _enums.ContainsKey(type);

    static string Snake(string name) => string.Concat(name.Select(c => char.IsAsciiLetterUpper(c) ? "_" + char.ToLowerInvariant(c) : c.ToString()));
}
