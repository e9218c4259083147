using System.Globalization;
using System.Text;

namespace Takt.Server.Protocols.Prometheus;

/// <summary>Prometheus' text exposition format, version 0.0.4: families one after the other, each with its HELP and TYPE, then its samples.</summary>
sealed class MetricsText
{
    public const string ContentType = "text/plain; version=0.0.4; charset=utf-8";

    readonly StringBuilder _text = new(16 << 10);
    string _family = "";

    /// <summary>Begins a family; it is written with its first sample, so that none stands without.</summary>
    /// <param name="type"><c>counter</c>, <c>gauge</c> or <c>histogram</c>.</param>
    public void Family(string name, string type, string help)
    {
        _family = name;
        _head = $"# HELP {name} {help.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\n", "\\n", StringComparison.Ordinal)}\n# TYPE {name} {type}\n";
    }

    string? _head;

    public void Sample(double value, params ReadOnlySpan<(string Name, string Value)> labels) => Sample("", value, labels);

    public void Sample(string suffix, double value, params ReadOnlySpan<(string Name, string Value)> labels)
    {
        _text.Append(_head).Append(_family).Append(suffix);
        _head = null;
        for (var i = 0; i < labels.Length; i++)
        {
            _text.Append(i == 0 ? '{' : ',').Append(labels[i].Name).Append("=\"");
            Escape(labels[i].Value);
            _text.Append('"');
        }
        _text.Append(labels.Length > 0 ? "} " : " ").Append(Number(value)).Append('\n');
    }

    public void Histogram(DurationHistogram histogram, params ReadOnlySpan<(string Name, string Value)> labels)
    {
        var counts = histogram.Cumulative();
        (string, string)[] all = [.. labels, ("le", "")];
        for (var i = 0; i < counts.Length; i++)
        {
            all[^1] = ("le", i < DurationHistogram.Edges.Length ? Number(DurationHistogram.Edges[i]) : "+Inf");
            Sample("_bucket", counts[i], all);
        }
        Sample("_sum", histogram.SumSeconds, labels);
        Sample("_count", counts[^1], labels);
    }

    public byte[] ToUtf8() => Encoding.UTF8.GetBytes(_text.ToString());

    void Escape(string value)
    {
        foreach (var c in value)
            _ = c switch { '\\' => _text.Append("\\\\"), '"' => _text.Append("\\\""), '\n' => _text.Append("\\n"), _ => _text.Append(c) };
    }

    static string Number(double value) => double.IsNaN(value) ? "NaN" : double.IsPositiveInfinity(value) ? "+Inf" : double.IsNegativeInfinity(value) ? "-Inf" : value.ToString("R", CultureInfo.InvariantCulture);
}
