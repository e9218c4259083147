using Inference;
using Takt.Deployments;

namespace Takt.Server.Protocols.OpenInference;

/// <summary><see cref="LoadedModelFacts"/> as messages.</summary>
static class GrpcFacts
{
    public static ModelConfig Config(string model, Slot slot)
    {
        var (inputs, outputs) = LoadedModelFacts.Tensors(slot);
        return new ModelConfig
        {
            Name = model,
            Platform = slot.Model?.Platform ?? "",
            Backend = LoadedModelFacts.Backend(slot),
            VersionPolicy = new ModelVersionPolicy { Specific = new ModelVersionPolicy.Types.Specific { Versions = { slot.Revision.Number } } },
            Input = { inputs.Select(t => new ModelInput { Name = t.Name, DataType = TypeOf(t.Type), Dims = { t.Dims }, Optional = t.Optional }) },
            Output = { outputs.Select(t => new ModelOutput { Name = t.Name, DataType = TypeOf(t.Type), Dims = { t.Dims } }) },
            InstanceGroup = { new ModelInstanceGroup { Name = model, Kind = ModelInstanceGroup.Types.Kind.Cpu, Count = slot.Inside } },
        };
    }

    /// <summary>C#'s name of the member is the protocol's without its underscore: <c>TYPE_FP32</c>, TypeFp32.</summary>
    static DataType TypeOf(string type) => Enum.Parse<DataType>(type.Replace("_", "", StringComparison.Ordinal), ignoreCase: true);

    public static ModelStatistics Statistics(string model, Slot slot, TimeProvider time)
    {
        var d = LoadedModelFacts.Durations(slot.Stats).ToDictionary(d => d.Name, d => new StatisticDuration { Count = (ulong)d.Count, Ns = (ulong)d.Nanoseconds }, StringComparer.Ordinal);
        return new ModelStatistics
        {
            Name = model,
            Version = slot.Version,
            LastInference = (ulong)LoadedModelFacts.LastInference(slot, time),
            InferenceCount = (ulong)slot.Stats.Rows,
            ExecutionCount = (ulong)Math.Max(0, slot.Stats.Requests - slot.Stats.Errors),
            InferenceStats = new InferStatistics
            {
                Success = d["success"],
                Fail = d["fail"],
                Queue = d["queue"],
                ComputeInput = d["compute_input"],
                ComputeInfer = d["compute_infer"],
                ComputeOutput = d["compute_output"],
                CacheHit = d["cache_hit"],
                CacheMiss = d["cache_miss"],
            },
            BatchStats =
            {
                slot.Stats.Sizes.All().Select(size => new InferBatchStatistics
                {
                    BatchSize = (ulong)size.Rows,
                    ComputeInput = new StatisticDuration { Count = (ulong)size.Count },
                    ComputeInfer = new StatisticDuration { Count = (ulong)size.Count, Ns = (ulong)LoadedModelFacts.Nanoseconds(size.Took) },
                    ComputeOutput = new StatisticDuration { Count = (ulong)size.Count },
                }),
            },
        };
    }
}
