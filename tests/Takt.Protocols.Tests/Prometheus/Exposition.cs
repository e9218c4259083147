using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;

namespace Takt.Protocols.Tests.Prometheus;

/// <summary>
/// A strict reader of Prometheus' text exposition format 0.0.4, by the words of its documentation: what that says "must" is asserted, and so is what it only advises (HELP and TYPE for each family,
/// counters that end in _total, unless they are Triton's).
/// </summary>
sealed partial class Exposition
{
    public sealed record Sample(string Name, IReadOnlyDictionary<string, string> Labels, double Value);

    public sealed record Family(string Name, string Type, string Help, List<Sample> Samples);

    public Dictionary<string, Family> Families { get; } = new(StringComparer.Ordinal);

    public static Exposition Parse(byte[] bytes)
    {
        var text = new UTF8Encoding(false, throwOnInvalidBytes: true).GetString(bytes);
        Assert.EndsWith("\n", text);
        Assert.DoesNotContain('\r', text);
        var read = new Exposition();
        Family? family = null;
        string? help = null;
        foreach (var line in text.Split('\n')[..^1])
        {
            if (HelpLine().Match(line) is { Success: true } h)
            {
                Assert.Null(help);
                help = h.Groups[1].Value;
                Assert.DoesNotContain(help, read.Families.Keys); // once, and all lines of a family together
                Assert.Matches(@"^(?:[^\\]|\\\\|\\n)*$", h.Groups[2].Value);
                Assert.NotEqual("", h.Groups[2].Value.Trim());
                family = new Family(help, "", h.Groups[2].Value, []);
                continue;
            }
            if (TypeLine().Match(line) is { Success: true } t)
            {
                Assert.Equal(help, t.Groups[1].Value);
                help = null;
                read.Families.Add(family!.Name, family = family with { Type = t.Groups[2].Value });
                continue;
            }
            Assert.Null(help); // its TYPE comes next
            Assert.False(line.StartsWith('#'), line);
            var m = SampleLine().Match(line);
            Assert.True(m.Success, line);
            var labels = new Dictionary<string, string>(StringComparer.Ordinal);
            var rest = m.Groups[2].Value;
            for (var at = 0; at < rest.Length;)
            {
                var label = Label().Match(rest, at);
                Assert.True(label.Success && label.Index == at, line);
                Assert.DoesNotContain("__", label.Groups[1].Value[..Math.Min(2, label.Groups[1].Value.Length)]);
                Assert.True(labels.TryAdd(label.Groups[1].Value, Regex.Replace(label.Groups[2].Value, @"\\(.)", escaped => escaped.Groups[1].Value == "n" ? "\n" : escaped.Groups[1].Value)), line);
                at += label.Length;
            }
            var name = m.Groups[1].Value;
            var suffixes = family!.Type == "histogram" ? ["_bucket", "_sum", "_count"] : (string[])[""];
            Assert.Contains(suffixes, suffix => name == family.Name + suffix);
            family.Samples.Add(new Sample(name, labels, Number(m.Groups[3].Value)));
        }
        Assert.Null(help);
        foreach (var each in read.Families.Values) Check(each);
        return read;
    }

    public double Value(string name, params (string Name, string Value)[] labels) => Find(name, labels).Single().Value;

    public IEnumerable<Sample> Find(string name, params (string Name, string Value)[] labels) =>
        Families.Values.SelectMany(f => f.Samples).Where(s => s.Name == name && labels.All(l => s.Labels.TryGetValue(l.Name, out var value) && value == l.Value));

    static void Check(Family family)
    {
        Assert.NotEmpty(family.Samples);
        Assert.Equal(family.Samples.Count, family.Samples.Select(Id).Distinct().Count());
        if (family.Type == "counter")
        {
            Assert.All(family.Samples, s => Assert.True(s.Value >= 0, Id(s)));
            Assert.True(family.Name.EndsWith("_total", StringComparison.Ordinal) || family.Name.StartsWith("nv_inference_", StringComparison.Ordinal), family.Name);
        }
        if (family.Type != "histogram")
        {
            Assert.All(family.Samples, s => Assert.DoesNotContain("le", s.Labels.Keys));
            return;
        }
        foreach (var series in family.Samples.GroupBy(s => string.Join(',', s.Labels.Where(l => l.Key != "le").OrderBy(l => l.Key, StringComparer.Ordinal).Select(l => $"{l.Key}={l.Value}"))))
        {
            var buckets = series.Where(s => s.Name == family.Name + "_bucket").Select(s => (Edge: Number(s.Labels["le"]), s.Value)).ToList();
            Assert.Equal(buckets.OrderBy(b => b.Edge), buckets);
            Assert.Equal(buckets.OrderBy(b => b.Value).Select(b => b.Value), buckets.Select(b => b.Value)); // cumulative
            Assert.Equal(double.PositiveInfinity, buckets[^1].Edge);
            Assert.Equal(buckets[^1].Value, series.Single(s => s.Name == family.Name + "_count").Value);
            Assert.True(series.Single(s => s.Name == family.Name + "_sum").Value >= 0);
        }
    }

    static string Id(Sample sample) => sample.Name + string.Join(',', sample.Labels.OrderBy(l => l.Key, StringComparer.Ordinal).Select(l => $"{l.Key}={l.Value}"));

    static double Number(string text) => text switch
    {
        "NaN" => double.NaN,
        "+Inf" => double.PositiveInfinity,
        "-Inf" => double.NegativeInfinity,
        _ => double.Parse(text, NumberStyles.Float, CultureInfo.InvariantCulture),
    };

    [GeneratedRegex(@"^# HELP ([a-zA-Z_:][a-zA-Z0-9_:]*) (.*)$")]
    private static partial Regex HelpLine();

    [GeneratedRegex(@"^# TYPE ([a-zA-Z_:][a-zA-Z0-9_:]*) (counter|gauge|histogram|summary|untyped)$")]
    private static partial Regex TypeLine();

    [GeneratedRegex(@"^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (-?[0-9][0-9.eE+-]*|NaN|\+Inf|-Inf)$")]
    private static partial Regex SampleLine();

    [GeneratedRegex(@"\G([a-zA-Z_][a-zA-Z0-9_]*)=""((?:[^""\\]|\\\\|\\""|\\n)*)""(?:,(?=.)|$)")]
    private static partial Regex Label();
}
