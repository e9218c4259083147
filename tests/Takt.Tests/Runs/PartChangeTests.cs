using Takt.Runs;

namespace Takt.Tests.Runs;

/// <summary>What <c>takt status</c> says of a stage that would run.</summary>
public sealed class PartChangeTests
{
    static string Words(params PartChange[] changes) => string.Join(", ", PartChange.Words(changes, "trips"));

    [Fact]
    public void A_changed_file_is_named_and_what_only_follows_from_it_is_not()
    {
        Assert.Equal("incoming/a.csv, incoming/b.csv (new)", Words(new("fact:tree", "1", "2"), new("in:incoming/a.csv", "1", "2"), new("in:incoming/b.csv", null, "3")));
        Assert.Equal("the files of the dataset trips", Words(new PartChange("fact:tree", "1", "2")));
    }

    [Fact]
    public void A_changed_argument_param_or_champion_is_named_with_its_values_where_they_are_short()
    {
        const string Was = "{data:\"a\\\"b,c\",features:[\"x\",\"y\",],quality:{min:\"1\",},trees:\"100\",}";
        Assert.Equal("its trees (100 before, 200 now)", Words(new PartChange("with", Was, Was.Replace("100", "200", StringComparison.Ordinal))));
        Assert.Equal("its features ([\"x\",\"y\",] before, [\"x\",] now), its l2 (new)", Words(new PartChange("with", Was, Was.Replace(",\"y\"", "", StringComparison.Ordinal).Replace("quality", "l2:\"1\",quality", StringComparison.Ordinal))));
        Assert.Equal("its command, the environment's SEED, param lr (0.1 before, 0.2 now), the champion that it compares with",
            Words(new("command", "a", "b"), new("env:SEED", "1", "2"), new("param:lr", "0.1", "0.2"), new("fact:champion", "x", "y")));
    }
}
