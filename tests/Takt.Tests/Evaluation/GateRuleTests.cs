using CsCheck;
using Takt.Evaluation;

namespace Takt.Tests.Evaluation;

public sealed class GateRuleTests
{
    static readonly Dictionary<string, double> Metrics = new() { ["auc"] = 0.8, ["champion.auc"] = 0.805, ["error_rate"] = 0.02, ["nan"] = double.NaN, ["slice(region).auc.min"] = 0.7 };

    static GateVerdict Judge(string rule) => GateRule.Parse(rule).Evaluate(name => Metrics.TryGetValue(name, out var value) ? value : null).Verdict;

    [Theory]
    [InlineData("auc >= 0.8", true)]
    [InlineData("auc > 0.8", false)]
    [InlineData("auc >= champion.auc - 0.01", true)]
    [InlineData("auc >= baseline.auc", false)]
    [InlineData("error_rate > 1%", true)]
    [InlineData("slice(region).auc.min >= 0.75", false)]
    [InlineData("(auc + champion.auc) / 2 * 10 >= 8", true)]
    [InlineData("-auc < 0", true)]
    public void A_rule_compares(string rule, bool passes) => Assert.Equal(passes ? GateVerdict.Passed : GateVerdict.Failed, Judge(rule));

    [Theory]
    [InlineData("missing >= 0")]
    [InlineData("missing < 0")]
    [InlineData("nan != 1")]
    [InlineData("auc / 0 > 1")]
    public void A_missing_metric_or_NaN_fails_whatever_the_comparison(string rule) => Assert.Equal(GateVerdict.Failed, Judge(rule));

    [Theory]
    [InlineData("auc >=", "character 7")]
    [InlineData("auc 0.8", "a comparison")]
    [InlineData("(auc >= 1", "a ')' is missing")]
    [InlineData("auc >= 1 1", "left over")]
    [InlineData("", "missing")]
    public void A_faulty_rule_says_where(string rule, string part) => Assert.Contains(part, Assert.Throws<TaktException>(() => GateRule.Parse(rule)).Message);

    [Fact]
    public void No_text_brings_the_parser_down() => Gen.String[Gen.Char["auc.01 ()+-*/%<>=!slice_e9"], 0, 60].Sample(text =>
    {
        try
        {
            GateRule.Parse(text).Evaluate(_ => 1);
        }
        catch (TaktException e)
        {
            Assert.Equal(TaktError.Invalid, e.Error);
        }
    }, iter: 20_000);
}
