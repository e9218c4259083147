namespace Takt.ML.Onnx;

/// <summary>An ONNX model cut down to what some of its outputs need, which are given other names.</summary>
static class OnnxOutputs
{
    // onnx/onnx.proto
    const int Graph = 7, Node = 1, Initializer = 5, Input = 11, Output = 12, ValueInfo = 13, NodeInput = 1, NodeOutput = 2, TensorName = 8, ValueName = 1;

    /// <param name="outputs">From their names in the model to those that they get, in the order in which they are to come.</param>
    /// <exception cref="TaktException">NotSupported: the model has no such output.</exception>
    public static byte[] Keep(byte[] onnx, IReadOnlyList<(string From, string To)> outputs)
    {
        var to = new ProtoWriter();
        foreach (var field in ProtoFields.Of(onnx))
            if (field.Number == Graph) to.Message(Graph, Cut(field.Content!.Span, outputs));
            else field.Write(to);
        return to.ToArray();
    }

    static ProtoWriter Cut(ReadOnlySpan<byte> graph, IReadOnlyList<(string From, string To)> outputs)
    {
        var fields = ProtoFields.Of(graph);
        var names = outputs.ToDictionary(o => o.From, o => o.To, StringComparer.Ordinal);
        foreach (var (from, to) in outputs)
            if (from != to) names[to] = to + ".inner"; // another value of that name makes way
        var needed = outputs.Select(o => o.From).ToHashSet(StringComparer.Ordinal);
        var kept = new HashSet<int>();
        for (var i = fields.Count - 1; i >= 0; i--) // nodes stand in the order in which they run
        {
            if (fields[i].Number != Node) continue;
            var node = ProtoFields.Of(fields[i].Content!.Span);
            if (!node.Any(f => f.Number == NodeOutput && needed.Contains(f.Text))) continue;
            kept.Add(i);
            foreach (var input in node.Where(f => f.Number == NodeInput)) needed.Add(input.Text);
        }
        var given = new Dictionary<string, ProtoFields.Field>(StringComparer.Ordinal);
        var cut = new ProtoWriter();
        for (var i = 0; i < fields.Count; i++)
        {
            var field = fields[i];
            if (field.Number == Node && kept.Contains(i)) cut.Message(Node, Renamed(field, names, NodeInput, NodeOutput));
            else if (field.Number is Initializer or Input or ValueInfo && NameOf(field) is var name && needed.Contains(name)) cut.Message(field.Number, Renamed(field, names, field.Number == Initializer ? TensorName : ValueName));
            else if (field.Number == Output) given[NameOf(field)] = field;
            else if (field.Number is not (Node or Initializer or Input or ValueInfo)) field.Write(cut);
        }
        foreach (var (from, _) in outputs)
            cut.Message(Output, Renamed(given.TryGetValue(from, out var found) ? found : throw new TaktException(TaktError.NotSupported, $"the model has no output '{from}' in ONNX"), names, ValueName));
        return cut;
    }

    static string NameOf(ProtoFields.Field field) => ProtoFields.Of(field.Content!.Span).Find(f => f.Number == (field.Number == Initializer ? TensorName : ValueName)).Text;

    /// <summary>The message of the field with its names replaced where <paramref name="names"/> has them.</summary>
    static ProtoWriter Renamed(ProtoFields.Field field, Dictionary<string, string> names, params ReadOnlySpan<int> where)
    {
        var to = new ProtoWriter();
        foreach (var member in ProtoFields.Of(field.Content!.Span))
            if (where.Contains(member.Number) && names.TryGetValue(member.Text, out var name)) to.Text(member.Number, name);
            else member.Write(to);
        return to;
    }
}
