using Takt.Data;
using Takt.Monitors;

namespace Takt.Tests.Monitors;

public sealed class DriftTests
{
    [Fact]
    public void Numbers_that_are_few_are_told_again_however_a_profile_writes_them()
    {
        // SQL writes "1e-07", "2.0"; the last one has sixteen digits, which a decimal does not keep
        double[] few = [1e-7, 2, 2.5, 1e16, -3, 0.9346317481146551];
        var values = Column.Of("x", Enumerable.Range(0, 600).Select(i => few[i % few.Length]).ToArray());
        var profile = Profiler.Profile(new Table([values]));
        Assert.True(profile.Columns[0].TopIsAll);
        var drift = Assert.Single(DriftTest.Run(profile, [("x", "x", values)]));
        Assert.Equal((0, 1), (drift.Psi, drift.P));
    }
}
