namespace Takt.Server.Protocols.Mlflow.GraphQl;

/// <summary>Reads a query, by recursive descent of bounded depth.</summary>
sealed class GraphQlParser
{
    /// <summary>Deeper nesting than any query may have in the end; what is deeper is told as too deep.</summary>
    const int Deepest = 64;

    readonly GraphQlLexer _lexer;
    int _depth;

    GraphQlParser(string text) => _lexer = new GraphQlLexer(text);

    /// <exception cref="TaktException">Invalid: the syntax, with line and column.</exception>
    public static GraphQlDocument Parse(string text)
    {
        var parser = new GraphQlParser(text);
        var lexer = parser._lexer;
        var operations = new List<GraphQlDocument.Operation>();
        var fragments = new Dictionary<string, GraphQlDocument.Fragment>(StringComparer.Ordinal);
        do
        {
            if (lexer.IsWord("fragment"))
            {
                lexer.Next();
                var name = lexer.Name();
                if (!lexer.IsWord("on")) throw lexer.Fault($"Expected 'on', found {lexer.Shown}.");
                lexer.Next();
                var on = lexer.Name();
                parser.Directives();
                if (!fragments.TryAdd(name, new(name, on, parser.Selections()))) throw TaktException.Invalid($"There can be only one fragment named '{name}'.");
            }
            else operations.Add(parser.Operation());
        }
        while (lexer.Token != GraphQlLexer.Kind.End);
        return new GraphQlDocument(operations, fragments);
    }

    GraphQlDocument.Operation Operation()
    {
        if (_lexer.Is("{")) return new("query", null, [], Selections());
        if (!_lexer.IsWord("query") && !_lexer.IsWord("mutation")) throw _lexer.Fault($"Unexpected {_lexer.Shown}.");
        var kind = _lexer.Name();
        var name = _lexer.Token == GraphQlLexer.Kind.Name ? _lexer.Name() : null;
        var variables = new List<GraphQlDocument.Variable>();
        if (_lexer.Skip("("))
            while (!_lexer.Skip(")"))
            {
                _lexer.Take("$");
                var variable = _lexer.Name();
                _lexer.Take(":");
                variables.Add(new(variable, Type(_lexer), _lexer.Skip("=") ? Value() : null));
                Directives();
            }
        Directives();
        return new(kind, name, variables, Selections());
    }

    public static GraphQlType Type(GraphQlLexer lexer, int depth = 0)
    {
        if (depth > 8) throw lexer.Fault("A type is nested too deeply.");
        GraphQlType type;
        if (lexer.Skip("["))
        {
            var item = Type(lexer, depth + 1);
            lexer.Take("]");
            type = new(item.Name, false, item);
        }
        else type = new(lexer.Name(), false);
        return lexer.Skip("!") ? type with { Required = true } : type;
    }

    List<GraphQlDocument.Selection> Selections()
    {
        Deeper();
        var all = new List<GraphQlDocument.Selection>();
        _lexer.Take("{");
        do all.Add(Selection());
        while (!_lexer.Skip("}"));
        _depth--;
        return all;
    }

    GraphQlDocument.Selection Selection()
    {
        if (_lexer.Skip("..."))
        {
            if (_lexer.Token == GraphQlLexer.Kind.Name && _lexer.Value != "on") return new GraphQlDocument.Spread(_lexer.Name(), Directives());
            string? on = null;
            if (_lexer.IsWord("on"))
            {
                _lexer.Next();
                on = _lexer.Name();
            }
            var directives = Directives();
            return new GraphQlDocument.Inline(on, Selections(), directives);
        }
        var name = _lexer.Name();
        string? alias = null;
        if (_lexer.Skip(":")) (alias, name) = (name, _lexer.Name());
        var start = _lexer.Start;
        var arguments = Arguments();
        var text = arguments.Count == 0 ? "" : _lexer.Slice(start, _lexer.EndBefore);
        var of = Directives();
        return new GraphQlDocument.Field(alias, name, arguments, text, _lexer.Is("{") ? Selections() : null, of);
    }

    List<GraphQlDocument.Directive> Directives()
    {
        var all = new List<GraphQlDocument.Directive>();
        while (_lexer.Skip("@")) all.Add(new(_lexer.Name(), Arguments()));
        return all;
    }

    List<GraphQlDocument.Argument> Arguments()
    {
        var all = new List<GraphQlDocument.Argument>();
        if (!_lexer.Skip("(")) return all;
        do all.Add(Argument());
        while (!_lexer.Skip(")"));
        return all;
    }

    GraphQlDocument.Argument Argument()
    {
        var name = _lexer.Name();
        _lexer.Take(":");
        return new(name, Value());
    }

    GraphQlDocument.Value Value()
    {
        Deeper();
        var value = Inner();
        _depth--;
        return value;
    }

    GraphQlDocument.Value Inner()
    {
        if (_lexer.Skip("$")) return new GraphQlDocument.Reference(_lexer.Name());
        if (_lexer.Skip("["))
        {
            var items = new List<GraphQlDocument.Value>();
            while (!_lexer.Skip("]")) items.Add(Value());
            return new GraphQlDocument.Items(items);
        }
        if (_lexer.Skip("{"))
        {
            var members = new List<GraphQlDocument.Argument>();
            while (!_lexer.Skip("}")) members.Add(Argument());
            return new GraphQlDocument.Members(members);
        }
        var text = _lexer.Value;
        var kind = _lexer.Token switch
        {
            GraphQlLexer.Kind.Int => "int",
            GraphQlLexer.Kind.Float => "float",
            GraphQlLexer.Kind.Text => "string",
            GraphQlLexer.Kind.Name => text switch { "true" or "false" => "boolean", "null" => "null", _ => "enum" },
            _ => throw _lexer.Fault($"Unexpected {_lexer.Shown}."),
        };
        _lexer.Next();
        return new GraphQlDocument.Scalar(kind, text);
    }

    void Deeper()
    {
        if (++_depth > Deepest) throw TaktException.Invalid($"Query exceeds maximum depth of {GraphQlLimits.Deepest}");
    }
}
