using System.Globalization;
using YamlDotNet.RepresentationModel;

namespace Takt.Pipelines;

/// <summary>A mapping of the project file, read key by key; see <see cref="StepArguments"/>.</summary>
sealed class YamlArguments(YamlMappingNode node, string name, string path, Faults faults, Interpolation values) : StepArguments
{
    readonly HashSet<string> _known = new(StringComparer.Ordinal);
    readonly HashSet<string> _toCome = new(StringComparer.Ordinal);
    readonly List<YamlArguments> _sections = [];

    public override string Name { get; } = name;

    public override (long Line, long Column) At => (node.Start.Line, node.Start.Column);

    public override string Text(string key) => TextOrNull(key) ?? Missing(key);

    public override string? TextOrNull(string key) => Find(key) switch
    {
        null => null,
        YamlScalarNode scalar => Value(scalar),
        var other => Wrong(other, key, "a text"),
    };

    public override string Choice(string key, params string[] allowed)
    {
        if (TextOrNull(key) is not { } text) return allowed[0];
        if (allowed.Contains(text)) return text;
        Fault(key, $"{key} is '{text}', not one of {string.Join(", ", allowed)}{Nearest.Hint(text, allowed)}");
        return allowed[0];
    }

    public override long Integer(string key, long fallback)
    {
        if (TextOrNull(key) is not { } text) return fallback;
        if (long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var value)) return value;
        Fault(key, $"{key} is '{text}', not a whole number");
        return fallback;
    }

    public override double Number(string key, double fallback) => NumberOrNull(key) ?? fallback;

    public override double? NumberOrNull(string key)
    {
        if (TextOrNull(key) is not { } text) return null;
        if (double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var value) && double.IsFinite(value)) return value;
        Fault(key, $"{key} is '{text}', not a number");
        return null;
    }

    public override bool Flag(string key, bool fallback) => TextOrNull(key) switch
    {
        null => fallback,
        "true" => true,
        "false" => false,
        var text => Wrong(key, $"{key} is '{text}', not true or false", fallback),
    };

    public override IReadOnlyList<string> Texts(string key) => Find(key) switch
    {
        null => [],
        YamlScalarNode scalar => [Value(scalar)],
        YamlSequenceNode list => list.Children.Select(item => item is YamlScalarNode scalar ? Value(scalar) : Wrong(item, key, "a list of texts") ?? "").ToList(),
        var other => Wrong<IReadOnlyList<string>>(other, key, "a text or a list of texts", []),
    };

    public override IReadOnlyDictionary<string, string> Map(string key)
    {
        var map = new SortedDictionary<string, string>(StringComparer.Ordinal);
        switch (Find(key))
        {
            case null: break;
            case YamlMappingNode mapping:
                foreach (var (k, v) in mapping.Children)
                    if (k is YamlScalarNode name && v is YamlScalarNode value) map[name.Value ?? ""] = Value(value);
                    else Wrong(v, key, "a mapping of texts");
                break;
            case var other:
                Wrong(other, key, "a mapping");
                break;
        }
        return map;
    }

    public override StepArguments? Section(string key) => Find(key) switch
    {
        null => null,
        YamlMappingNode mapping => Open(mapping, key, key),
        YamlScalarNode { Value: "" or null or "~" } => null,
        var other => Wrong<StepArguments?>(other, key, "a mapping", null),
    };

    public override IReadOnlyList<StepArguments> Sections(string key)
    {
        var sections = new List<StepArguments>();
        switch (Find(key))
        {
            case null: break;
            case YamlMappingNode mapping:
                foreach (var (k, v) in mapping.Children)
                    if (k is YamlScalarNode name && v is YamlMappingNode section) sections.Add(Open(section, name.Value ?? "", $"{key}.{name.Value}"));
                    else Wrong(v, $"{key}.{(k as YamlScalarNode)?.Value}", "a mapping");
                break;
            case YamlSequenceNode list:
                foreach (var item in list.Children)
                    if (item is YamlMappingNode section) sections.Add(Open(section, "", key));
                    else Wrong(item, key, "a list of mappings");
                break;
            case var other:
                Wrong(other, key, "a mapping");
                break;
        }
        return sections;
    }

    public override bool Has(string key) => Find(key) is not null;

    public override bool IsSection(string key) => Find(key) is YamlMappingNode;

    public override bool HasToCome(string key)
    {
        _toCome.Add(key);
        return node.Children.ContainsKey(new YamlScalarNode(key));
    }

    public override string Canonical()
    {
        var text = new System.Text.StringBuilder();
        Write(node);
        return text.ToString();

        void Write(YamlNode at)
        {
            switch (at)
            {
                case YamlMappingNode mapping:
                    text.Append('{');
                    foreach (var (key, value) in mapping.Children.OrderBy(c => c.Key.ToString(), StringComparer.Ordinal))
                    {
                        text.Append(key).Append(':');
                        Write(value);
                        text.Append(',');
                    }
                    text.Append('}');
                    break;
                case YamlSequenceNode list:
                    text.Append('[');
                    foreach (var item in list.Children)
                    {
                        Write(item);
                        text.Append(',');
                    }
                    text.Append(']');
                    break;
                case YamlScalarNode scalar:
                    text.Append('"').Append(Value(scalar).Replace("\\", "\\\\").Replace("\"", "\\\"")).Append('"');
                    break;
            }
        }
    }

    public override void FaultAt((long Line, long Column) at, string message) => faults.Add(at.Line, at.Column, message);

    public override void Fault(string key, string message)
    {
        var at = (node.Children.TryGetValue(new YamlScalarNode(key), out var value) ? value : node).Start;
        faults.Add(at.Line, at.Column, $"{path}{(path.Length > 0 ? ": " : "")}{message}");
    }

    /// <summary>Notes every key that nobody asked for, here and below.</summary>
    public void ReportUnknown()
    {
        foreach (var (key, _) in node.Children)
        {
            var text = (key as YamlScalarNode)?.Value ?? "";
            if (!_known.Contains(text) && !_toCome.Contains(text))
                faults.Add(key.Start.Line, key.Start.Column, $"unknown key '{text}'{(path.Length > 0 ? $" in {path}" : "")}{Nearest.Hint(text, _known)}");
        }
        foreach (var section in _sections) section.ReportUnknown();
    }

    YamlNode? Find(string key)
    {
        _known.Add(key);
        return node.Children.TryGetValue(new YamlScalarNode(key), out var value) ? value : null;
    }

    string Value(YamlScalarNode scalar) => values.Replace(scalar.Value ?? "", message => faults.Add(scalar.Start.Line, scalar.Start.Column, message));

    YamlArguments Open(YamlMappingNode mapping, string name, string key)
    {
        // asked for twice, it is the same section: what the second asker knows counts too
        if (_sections.Find(s => ReferenceEquals(s.Node, mapping)) is { } open) return open;
        var section = new YamlArguments(mapping, name, path.Length == 0 ? key : $"{path}.{key}", faults, values);
        _sections.Add(section);
        return section;
    }

    YamlMappingNode Node => node;

    string Missing(string key)
    {
        faults.Add(node.Start.Line, node.Start.Column, $"{(path.Length > 0 ? path + ": " : "")}{key} is missing");
        return "";
    }

    string? Wrong(YamlNode at, string key, string wanted) => Wrong<string?>(at, key, wanted, null);

    T Wrong<T>(YamlNode at, string key, string wanted, T value)
    {
        faults.Add(at.Start.Line, at.Start.Column, $"{(path.Length > 0 ? path + ": " : "")}{key} must be {wanted}");
        return value;
    }

    T Wrong<T>(string key, string message, T value)
    {
        Fault(key, message);
        return value;
    }
}
