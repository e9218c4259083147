using System.Globalization;
using System.Text.Json;

namespace Takt.ML.XgBoost;

/// <summary>
/// An XGBoost ensemble of trees (XGBoost's JSON schema, doc/model.schema of 1.0 to 3.x) and its evaluation: in float32 and in XGBoost's order of addition, so that the
/// bits are those of its own CPU predictor (checked against 1.7.4, see the tests).
/// </summary>
sealed class XgModel
{
    /// <summary>A longer file is refused: as a tree of JSON it would be ten times that.</summary>
    const long LargestFile = 1L << 30;

    readonly XgNode[] _nodes;
    readonly uint[][] _sets;

    XgModel(XgNode[] nodes, uint[][] sets) => (_nodes, _sets) = (nodes, sets);

    public required string Objective { get; init; }

    public required int Features { get; init; }

    /// <summary>Outputs: classes, or targets.</summary>
    public required int Groups { get; init; }

    /// <summary>None where the file has none.</summary>
    public required IReadOnlyList<string> FeatureNames { get; init; }

    /// <summary>What the sum of leaves begins with, for each output.</summary>
    public required float[] BaseMargins { get; init; }

    /// <summary>Each tree's first node and the output that it adds to; its weight is not 1 in a DART model only.</summary>
    public required (int Root, int Group, float Weight)[] Trees { get; init; }

    public ReadOnlySpan<XgNode> Nodes => _nodes;

    /// <summary>The categories of a split, as a set of bits.</summary>
    public ReadOnlySpan<uint> Set(int categories) => _sets[categories];

    /// <exception cref="TaktException">Invalid: damaged. NotSupported: a kind that can't be run.</exception>
    public static XgModel Load(string path)
    {
        var length = new FileInfo(path).Length;
        if (length > LargestFile) throw new TaktException(TaktError.TooLarge, $"{path} has {length} bytes; {LargestFile} are allowed");
        ReadOnlyMemory<byte> bytes = File.ReadAllBytes(path);
        if (bytes.Length < 2 || bytes.Span[0] != '{')
            throw new TaktException(TaktError.NotSupported, $"{path} is in XGBoost's old binary format, which XGBoost itself gave up; save it again: model.save_model('model.json'), or mlflow.xgboost.log_model(…, model_format='json')");
        if (bytes.Span[1] is (byte)'i' or (byte)'U' or (byte)'I' or (byte)'l' or (byte)'L' or (byte)'$' or (byte)'#') bytes = UbjReader.ToJson(bytes.Span, path);
        else bytes = Finite(bytes);
        try
        {
            using var json = JsonDocument.Parse(bytes, new JsonDocumentOptions { MaxDepth = 96 });
            return Read(json.RootElement, path);
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException or FormatException or IndexOutOfRangeException or ArgumentOutOfRangeException or OverflowException)
        {
            throw new TaktException(TaktError.Invalid, $"{path} is damaged: {e.Message}", e);
        }
    }

    /// <summary>The sums of leaves of one row.</summary>
    /// <param name="row">NaN is missing.</param>
    /// <param name="margins">Room for <see cref="Groups"/>.</param>
    public void Margins(ReadOnlySpan<float> row, Span<float> margins)
    {
        BaseMargins.CopyTo(margins);
        foreach (var (root, group, weight) in Trees)
        {
            var leaf = _nodes[Leaf(root, row)].Value;
            margins[group] += weight == 1 ? leaf : leaf * weight;
        }
    }

    /// <summary>What the objective makes of margins, in place; <c>multi:softmax</c> leaves the class in the first.</summary>
    public void Transform(Span<float> margins)
    {
        switch (Objective)
        {
            case "binary:logistic" or "reg:logistic":
                for (var i = 0; i < margins.Length; i++) margins[i] = 1 / (MathF.Exp(MathF.Min(-margins[i], 88.7f)) + 1 + 1e-16f);
                break;
            case "binary:hinge":
                for (var i = 0; i < margins.Length; i++) margins[i] = margins[i] > 0 ? 1 : 0;
                break;
            case "count:poisson" or "reg:gamma" or "reg:tweedie" or "survival:cox" or "survival:aft":
                for (var i = 0; i < margins.Length; i++) margins[i] = MathF.Exp(margins[i]);
                break;
            case "multi:softmax":
                var best = 0;
                for (var i = 1; i < margins.Length; i++)
                    if (margins[i] > margins[best]) best = i;
                margins[0] = best;
                break;
            case "multi:softprob":
                var most = margins[0];
                foreach (var margin in margins) most = MathF.Max(most, margin);
                var sum = 0.0;
                foreach (ref var margin in margins) sum += margin = MathF.Exp(margin - most);
                foreach (ref var margin in margins) margin /= (float)sum;
                break;
        }
    }

    /// <summary>Whether the row goes left at a split.</summary>
    public bool GoesLeft(in XgNode node, float value)
    {
        if (float.IsNaN(value)) return node.DefaultLeft;
        if (node.Categories < 0) return value < node.Value;
        const float Largest = 1 << 24;
        if (value is < 0 or >= Largest) return true; // no category at all
        var (set, category) = (_sets[node.Categories], (int)value);
        return category >> 5 >= set.Length || (set[category >> 5] & (0x80000000u >> (category & 31))) == 0;
    }

    int Leaf(int node, ReadOnlySpan<float> row)
    {
        while (true)
        {
            ref readonly var at = ref _nodes[node];
            if (at.Feature < 0) return node;
            node = GoesLeft(at, row[at.Feature]) ? at.Left : at.Right;
        }
    }

    static XgModel Read(JsonElement root, string path)
    {
        var learner = root.GetProperty("learner");
        var booster = learner.GetProperty("gradient_booster");
        var kind = booster.GetProperty("name").GetString();
        if (kind is not ("gbtree" or "dart")) throw new TaktException(TaktError.NotSupported, $"{path} is an XGBoost model of the booster {kind}; trees (gbtree, dart) are supported");
        var model = (kind == "dart" ? booster.GetProperty("gbtree") : booster).GetProperty("model");
        var settings = learner.GetProperty("learner_model_param");
        var objective = learner.GetProperty("objective").GetProperty("name").GetString()!;
        var features = Integer(settings, "num_feature");
        var groups = Math.Max(1, Math.Max(Integer(settings, "num_class"), settings.TryGetProperty("num_target", out _) ? Integer(settings, "num_target") : 1));
        var names = learner.TryGetProperty("feature_names", out var given) ? given.EnumerateArray().Select(n => n.GetString()!).ToList() : [];
        if (names.Count > 0 && names.Count != features) throw TaktException.Invalid($"{path} is damaged: {features} features, {names.Count} feature names");
        var info = Integers(model.GetProperty("tree_info"));
        var list = model.GetProperty("trees");
        var weights = kind == "dart" ? Floats(booster.GetProperty("weight_drop")) : null;
        if (info.Length != list.GetArrayLength() || (weights is not null && weights.Length != info.Length)) throw TaktException.Invalid($"{path} is damaged: {list.GetArrayLength()} trees, {info.Length} places in tree_info");
        var (nodes, sets, trees) = (new List<XgNode>(), new List<uint[]>(), new (int, int, float)[info.Length]);
        var number = 0;
        foreach (var tree in list.EnumerateArray())
        {
            if ((uint)info[number] >= groups) throw TaktException.Invalid($"{path} is damaged: tree {number} adds to output {info[number]} of {groups}");
            trees[number] = (nodes.Count, info[number], weights?[number] ?? 1);
            Read(tree, nodes, sets, features, $"{path}: tree {number}");
            number++;
        }
        return new XgModel([.. nodes], [.. sets]) { Objective = objective, Features = features, Groups = groups, FeatureNames = names, Trees = trees, BaseMargins = BaseMargin(settings, objective, groups, path) };
    }

    static void Read(JsonElement tree, List<XgNode> nodes, List<uint[]> sets, int features, string where)
    {
        if (tree.GetProperty("tree_param").TryGetProperty("size_leaf_vector", out _) && Integer(tree.GetProperty("tree_param"), "size_leaf_vector") > 1)
            throw new TaktException(TaktError.NotSupported, $"{where} has leaves of several values (multi_strategy=multi_output_tree); train one tree an output");
        int[] left = Integers(tree.GetProperty("left_children")), right = Integers(tree.GetProperty("right_children")), feature = Integers(tree.GetProperty("split_indices")), byDefault = Integers(tree.GetProperty("default_left"));
        float[] value = Floats(tree.GetProperty("split_conditions")), cover = Floats(tree.GetProperty("sum_hessian"));
        var count = left.Length;
        if (count == 0 || right.Length != count || feature.Length != count || byDefault.Length != count || value.Length != count || cover.Length != count) throw TaktException.Invalid($"{where} is damaged: its lists are of unequal length");
        var setOf = new int[count];
        Array.Fill(setOf, -1);
        if (tree.TryGetProperty("categories_nodes", out var categorical) && categorical.GetArrayLength() > 0)
        {
            int[] at = Integers(categorical), first = Integers(tree.GetProperty("categories_segments")), size = Integers(tree.GetProperty("categories_sizes")), all = Integers(tree.GetProperty("categories"));
            for (var i = 0; i < at.Length; i++)
            {
                setOf[at[i]] = sets.Count;
                sets.Add(Bits(all.AsSpan(first[i], size[i]), where));
            }
        }
        var seen = new bool[count];
        var open = new Stack<int>([0]);
        while (open.TryPop(out var node))
        {
            if ((uint)node >= count || seen[node]) throw TaktException.Invalid($"{where} is damaged: node {node} is not there, or comes twice");
            seen[node] = true;
            if (left[node] < 0) continue;
            if ((uint)feature[node] >= features) throw TaktException.Invalid($"{where} is damaged: it asks for feature {feature[node]} of {features}");
            open.Push(right[node]);
            open.Push(left[node]);
        }
        var root = nodes.Count;
        for (var node = 0; node < count; node++)
            nodes.Add(left[node] < 0 ? new XgNode(-1, value[node], -1, -1, false, -1, cover[node])
                : new XgNode(feature[node], value[node], root + left[node], root + right[node], byDefault[node] != 0, setOf[node], cover[node]));
    }

    /// <summary>XGBoost's JSON has NaN, and Infinity, where a number is none (the thresholds of categorical splits); JSON has null for that.</summary>
    static ReadOnlyMemory<byte> Finite(ReadOnlyMemory<byte> json)
    {
        var rest = json.Span;
        if (rest.IndexOf("NaN"u8) < 0 && rest.IndexOf("Infinity"u8) < 0) return json;
        var clean = new MemoryStream(json.Length + 1024);
        while (rest.IndexOfAny((byte)'"', (byte)'N', (byte)'I') is >= 0 and var at)
        {
            var length = at + 1;
            if (rest[at] == '"')
                for (; length < rest.Length && rest[length++] != '"';) length += rest[length - 1] == '\\' ? 1 : 0;
            else
            {
                var number = rest[at] == 'N' ? "NaN"u8 : "Infinity"u8;
                if (rest[at..].StartsWith(number))
                {
                    clean.Write(rest[..(at > 0 && rest[at - 1] == '-' ? at - 1 : at)]);
                    clean.Write("null"u8);
                    rest = rest[(at + number.Length)..];
                    continue;
                }
            }
            length = Math.Min(length, rest.Length);
            clean.Write(rest[..length]);
            rest = rest[length..];
        }
        clean.Write(rest);
        return clean.GetBuffer().AsMemory(0, (int)clean.Length);
    }

    static uint[] Bits(ReadOnlySpan<int> categories, string where)
    {
        const int Most = 1 << 24;
        var largest = 0;
        foreach (var category in categories)
        {
            if (category is < 0 or >= Most) throw TaktException.Invalid($"{where} is damaged: category {category}");
            largest = Math.Max(largest, category);
        }
        var bits = new uint[(largest >> 5) + 1];
        foreach (var category in categories) bits[category >> 5] |= 0x80000000u >> (category & 31);
        return bits;
    }

    /// <summary>The file has it as a prediction, trees add to margins. From 3.1 on it is a list, a number for each output.</summary>
    static float[] BaseMargin(JsonElement settings, string objective, int groups, string path)
    {
        var scores = settings.GetProperty("base_score").GetString()!.Trim('[', ']').Split(',').Select(s => float.Parse(s, CultureInfo.InvariantCulture)).ToArray();
        if (scores.Length != 1 && scores.Length != groups) throw TaktException.Invalid($"{path} is damaged: {scores.Length} base scores for {groups} outputs");
        var margins = new float[groups];
        for (var group = 0; group < groups; group++)
        {
            var score = scores[scores.Length == 1 ? 0 : group];
            margins[group] = objective switch
            {
                "binary:logistic" or "reg:logistic" => -MathF.Log((1 / score) - 1),
                "count:poisson" or "reg:gamma" or "reg:tweedie" or "survival:cox" or "survival:aft" => MathF.Log(score),
                "reg:squarederror" or "reg:squaredlogerror" or "reg:pseudohubererror" or "reg:absoluteerror" or "reg:quantileerror" or "reg:linear" or "binary:hinge" or "binary:logitraw"
                    or "multi:softmax" or "multi:softprob" or "rank:pairwise" or "rank:ndcg" or "rank:map" => score,
                _ => throw new TaktException(TaktError.NotSupported, $"{path} has the objective {objective}, which Takt does not know"),
            };
        }
        return margins;
    }

    static int Integer(JsonElement of, string name) => of.GetProperty(name) is var value && value.ValueKind == JsonValueKind.String ? int.Parse(value.GetString()!, CultureInfo.InvariantCulture) : value.GetInt32();

    static int[] Integers(JsonElement list)
    {
        var values = new int[list.GetArrayLength()];
        var i = 0;
        foreach (var value in list.EnumerateArray()) values[i++] = value.ValueKind switch { JsonValueKind.True => 1, JsonValueKind.False => 0, _ => value.TryGetInt32(out var n) ? n : checked((int)value.GetDouble()) };
        return values;
    }

    static float[] Floats(JsonElement list)
    {
        var values = new float[list.GetArrayLength()];
        var i = 0;
        foreach (var value in list.EnumerateArray()) values[i++] = value.ValueKind == JsonValueKind.Null ? float.NaN : value.GetSingle();
        return values;
    }
}
