using Takt.Deployments;

namespace Takt.Tests.Deployments;

/// <summary>A rollout that stands still says what for.</summary>
public sealed class RolloutWaitTests
{
    static readonly DateTimeOffset Now = new(2026, 1, 1, 0, 10, 0, TimeSpan.Zero);

    static readonly DeploymentSpec Spec = new("e", [0.1, 1], TimeSpan.FromMinutes(15), 200, [], null, true, null);

    static string? Words(RolloutState state, long requests, TimeSpan since, DeploymentSpec? spec = null, params string[] behind) =>
        RolloutWait.InWords(new Rollout("e", 2, 3, 1, state, 0, Now - since, "", Now, Now), spec ?? Spec, requests, [], behind, Now);

    [Theory]
    [InlineData(RolloutState.Rolling, 12, 20, "waiting for traffic: 12 of 200 requests in this step")]
    [InlineData(RolloutState.Rolling, 0, 4, "waiting for traffic: 0 of 200 requests and time: 4 min of 15 min in this step")]
    [InlineData(RolloutState.Rolling, 200, 4, "waiting for time: 4 min of 15 min in this step")]
    [InlineData(RolloutState.Rolling, 200, 20, "about to go on")]
    [InlineData(RolloutState.Pending, 0, 0, "waiting for a server to begin it")]
    [InlineData(RolloutState.Succeeded, 0, 0, null)]
    public void What_a_step_waits_for_is_told_in_its_own_numbers(RolloutState state, long requests, int minutes, string? words) => Assert.Equal(words, Words(state, requests, TimeSpan.FromMinutes(minutes)));

    [Fact]
    public void What_waits_for_a_person_or_for_a_server_names_the_command_or_the_server()
    {
        Assert.Contains("`takt deploy resume e`", Words(RolloutState.Paused, 0, TimeSpan.Zero));
        Assert.Contains("`takt deploy resume e`", Words(RolloutState.Waiting, 0, TimeSpan.Zero));
        Assert.Equal("waiting for b to load revision 3", Words(RolloutState.Pending, 0, TimeSpan.Zero, null, "b"));
        var evidence = Spec with { Analysis = AnalysisSpec.Default with { Pass = StepPass.Evidence } };
        var open = Evidence.Of("errors", new Takt.Evaluation.PairedDifferences(), 0.01, 0.05);
        Assert.Equal("waiting for evidence about errors: neither harm nor its absence is shown yet",
            RolloutWait.InWords(new Rollout("e", 2, 3, 1, RolloutState.Rolling, 0, Now.AddHours(-1), "", Now, Now), evidence, 500, [open], [], Now));
    }
}
