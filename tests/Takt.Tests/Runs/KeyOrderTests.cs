using Takt.Runs;

namespace Takt.Tests.Runs;

public sealed class KeyOrderTests
{
    [Fact]
    public void What_stands_for_itself_comes_before_the_members_of_a_family_and_2_before_10()
    {
        string[] layers = [.. Enumerable.Range(1, 12).Select(i => $"layer{i}/norm")], slices = ["slice/at/auc", "slice/de/auc", "slice/es/auc", "slice/fr/auc"];
        string[] keys = [.. slices, .. layers.Order(StringComparer.Ordinal), "val/loss", "lr", "f1", "val/auc"];
        Assert.Equal(["f1", "lr", "val/auc", "val/loss", .. layers, .. slices], KeyOrder.Sort(keys, key => key));
    }
}
