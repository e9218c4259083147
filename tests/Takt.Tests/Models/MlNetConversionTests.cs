using Microsoft.ML;
using Microsoft.ML.Data;
using Takt.Data;
using Takt.ML.Runtimes;
using Takt.Models;

namespace Takt.Tests.Models;

/// <summary>Pipelines of ML.NET, trained here, written as ONNX: they answer as before, or are refused in words.</summary>
public sealed class MlNetConversionTests(ITestOutputHelper output) : IDisposable
{
    static readonly string[] Carriers = ["Aero", "Blue", "Condor"];

    readonly string _folder = Directory.CreateTempSubdirectory("takt-mlnet-onnx").FullName;
    readonly MLContext _ml = new(seed: 1);

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    sealed class Flight
    {
        public float Distance { get; set; }
        public float Wind { get; set; }
        public string Carrier { get; set; } = "";
        public int Stops { get; set; }
        public bool Weekend { get; set; }
        public float Delay { get; set; }
        public bool Late { get; set; }
        public string Kind { get; set; } = "";
        public uint Day { get; set; }
        public float Rank { get; set; }
        [VectorType(2)]
        public float[] Place { get; set; } = [];
    }

    static List<Flight> Flights()
    {
        var random = new Random(3);
        return Enumerable.Range(0, 800).Select(i =>
        {
            var flight = new Flight
            {
                Distance = random.Next(100, 3000) + (0.1f * random.Next(10)),
                Wind = random.Next(10) == 0 ? float.NaN : (float)random.NextDouble() * 40,
                Carrier = Carriers[random.Next(3)],
                Stops = random.Next(4),
                Weekend = random.Next(2) == 0,
                Day = (uint)(i / 20),
                Place = [(float)random.NextDouble(), (float)random.NextDouble()],
            };
            flight.Delay = (flight.Distance / 300) + (flight.Carrier == "Blue" ? 4 : 0) + (flight.Wind > 20 ? 6 : 0) + (flight.Stops == 2 ? 3 : 0) + (flight.Weekend ? 1 : 0) + (3 * flight.Place[0]) + (float)random.NextDouble();
            flight.Late = flight.Delay > 11;
            flight.Kind = flight.Delay > 14 ? "bad" : flight.Delay > 8 ? "fair" : "good";
            flight.Rank = Math.Min(4, (int)(flight.Delay / 5));
            return flight;
        }).ToList();
    }

    /// <summary>What is usual before trees: missing values, categories of texts and whole numbers, numbers as they are, normalized and converted.</summary>
    IEstimator<ITransformer> Usual() => _ml.Transforms.Categorical.OneHotEncoding("CarrierHot", "Carrier").Append(_ml.Transforms.Categorical.OneHotEncoding("StopsHot", "Stops"))
        .Append(_ml.Transforms.Conversion.ConvertType("WeekendNumber", "Weekend"))
        .Append(_ml.Transforms.IndicateMissingValues("NoWind", "Wind")).Append(_ml.Transforms.Conversion.ConvertType("NoWindNumber", "NoWind"))
        .Append(_ml.Transforms.ReplaceMissingValues("WindFilled", "Wind", Microsoft.ML.Transforms.MissingValueReplacingEstimator.ReplacementMode.Mean))
        .Append(_ml.Transforms.NormalizeMeanVariance("DistanceScaled", "Distance"))
        .Append(_ml.Transforms.Concatenate("Features", "DistanceScaled", "WindFilled", "NoWindNumber", "CarrierHot", "StopsHot", "WeekendNumber"));

    IEstimator<ITransformer> Trainer(string name)
    {
        var (binary, regression, classes, ranking) = (_ml.BinaryClassification, _ml.Regression.Trainers, _ml.MulticlassClassification.Trainers, _ml.Ranking.Trainers);
        return name switch
        {
            "FastTree" => regression.FastTree("Delay", numberOfTrees: 20),
            "FastForest" => regression.FastForest("Delay", numberOfTrees: 20),
            "FastTreeTweedie" => regression.FastTreeTweedie("Delay", numberOfTrees: 20),
            "LightGbm" => regression.LightGbm("Delay", numberOfIterations: 20),
            "binary FastTree" => binary.Trainers.FastTree("Late", numberOfTrees: 20),
            "binary FastForest, Platt" => binary.Trainers.FastForest("Late", numberOfTrees: 20).Append(binary.Calibrators.Platt("Late")),
            "binary LightGbm" => binary.Trainers.LightGbm("Late", numberOfIterations: 20),
            "classes LightGbm" => classes.LightGbm("Key", numberOfIterations: 20).Append(_ml.Transforms.Conversion.MapKeyToValue("PredictedLabel")),
            "classes one against all" => classes.OneVersusAll(binary.Trainers.FastTree("Key", numberOfTrees: 10), "Key").Append(_ml.Transforms.Conversion.MapKeyToValue("PredictedLabel")),
            "ranking FastTree" => ranking.FastTree("Rank", rowGroupColumnName: "Group", numberOfTrees: 20),
            _ => ranking.LightGbm("Rank", rowGroupColumnName: "Group", numberOfIterations: 20),
        };
    }

    [Theory]
    [InlineData("FastTree"), InlineData("FastForest"), InlineData("FastTreeTweedie"), InlineData("LightGbm"), InlineData("binary FastTree"), InlineData("binary FastForest, Platt"), InlineData("binary LightGbm")]
    [InlineData("classes LightGbm"), InlineData("classes one against all"), InlineData("ranking FastTree"), InlineData("ranking LightGbm")]
    public void Trees_of_ML_NET_become_ONNX(string trainer)
    {
        var keys = _ml.Transforms.Conversion.MapValueToKey("Key", "Kind").Append(_ml.Transforms.Conversion.MapValueToKey("Group", "Day"));
        var (package, converted) = (Save(trainer[0] is 'c' or 'r' ? keys.Append(Usual()).Append(Trainer(trainer)) : Usual().Append(Trainer(trainer))), Folder());
        var found = new MlNetRuntime().Convert(package, "onnx", converted);
        output.WriteLine($"{trainer}: {found["rows"]} rows, at most {found["max_difference"]} apart");
        Assert.InRange(found["max_difference"], 0, 1e-5);
        using var before = new MlNetRuntime().Load(package);
        using var after = new OnnxRuntime().Load(converted);
        Assert.Equal(before.Signature.Inputs, after.Signature.Inputs); // so not the label, nor what groups rows
        Assert.Equal(before.Signature.Outputs, after.Signature.Outputs);
        var flights = Flights();
        flights[7].Carrier = "unheard of";
        var rows = new Table([
            Column.Of("Distance", flights.Select(f => (double)f.Distance).ToArray()), Column.Of("Wind", flights.Select(f => (double)f.Wind).ToArray()), Column.Of("Carrier", flights.Select(f => (string?)f.Carrier).ToArray()),
            Column.Of("Stops", flights.Select(f => (long)f.Stops).ToArray()), Column.Of("Weekend", flights.Select(f => f.Weekend).ToArray())]);
        var (expected, actual) = (before.Predict(rows), after.Predict(rows));
        var answers = new HashSet<string>();
        foreach (var column in expected.Columns)
            for (var row = 0; row < rows.Rows; row++)
            {
                answers.Add(column.TextAt(row)!);
                if (column.Type == ColumnType.Number) Assert.Equal(column.Numbers[row], actual[column.Name].Numbers[row], 1e-5 * (1 + Math.Abs(column.Numbers[row])));
                else Assert.Equal(column.TextAt(row), actual[column.Name].TextAt(row));
            }
        Assert.True(answers.Count > 20, "the model tells flights apart");
        Assert.Equal(("binary", "Late"), (ModelPackage.Open(converted).Info.Task, ModelPackage.Open(converted).Info.Target));
    }

    [Fact]
    public void A_vector_that_the_pipeline_takes_keeps_the_names_of_its_places()
    {
        var (package, converted) = (Save(_ml.Regression.Trainers.FastTree("Delay", "Place", numberOfTrees: 20)), Folder());
        new MlNetRuntime().Convert(package, "onnx", converted);
        using var after = new OnnxRuntime().Load(converted);
        Assert.Equal(["Place.0", "Place.1"], after.Signature.Inputs.Select(f => f.Name));
    }

    [Theory]
    [InlineData("sets of categories"), InlineData("without trees"), InlineData("no line leads from 'Distance'"), InlineData("no list of its values"), InlineData("is a key")]
    public void What_can_not_be_checked_or_has_no_such_form_is_refused_in_words(string words)
    {
        var regression = _ml.Regression.Trainers;
        var package = Save(words switch
        {
            "sets of categories" => _ml.Transforms.Categorical.OneHotEncoding("Carrier").Append(_ml.Transforms.Concatenate("Features", "Distance", "Carrier"))
                .Append(regression.FastTree(new Microsoft.ML.Trainers.FastTree.FastTreeRegressionTrainer.Options { LabelColumnName = "Delay", CategoricalSplit = true, NumberOfTrees = 20, MinimumExampleCountPerLeaf = 2 })),
            "without trees" => _ml.Transforms.Concatenate("Features", "Distance").Append(regression.Sdca("Delay")),
            "no line leads from 'Distance'" => _ml.Transforms.NormalizeLogMeanVariance("Distance").Append(_ml.Transforms.Concatenate("Features", "Distance")).Append(regression.FastTree("Delay", numberOfTrees: 5)),
            "no list of its values" => _ml.Transforms.Categorical.OneHotHashEncoding("Carrier", numberOfBits: 4).Append(_ml.Transforms.Concatenate("Features", "Carrier")).Append(regression.FastTree("Delay", numberOfTrees: 5)),
            _ => _ml.Transforms.Conversion.MapValueToKey("Key", "Kind").Append(_ml.Transforms.Concatenate("Features", "Distance")).Append(_ml.MulticlassClassification.Trainers.LightGbm("Key", numberOfIterations: 3)),
        });
        var e = Assert.Throws<TaktException>(() => new MlNetRuntime().Convert(package, "onnx", Folder()));
        Assert.Equal(TaktError.NotSupported, e.Error);
        Assert.Contains(words, e.Message);
        Assert.Contains("to onnx, not to 'pickle'", Assert.Throws<TaktException>(() => new MlNetRuntime().Convert(package, "pickle", Folder())).Message);
    }

    [Fact]
    public void A_conversion_that_answers_otherwise_than_the_pipeline_is_not_kept()
    {
        var (package, other) = (Save(Usual().Append(Trainer("FastTree"))), Save(Usual().Append(_ml.Regression.Trainers.FastTree("Delay", numberOfTrees: 19))));
        using var model = Takt.ML.MlNet.MlNetModel.Load(Path.Combine(package, "model.zip"));
        using var fewer = Takt.ML.MlNet.MlNetModel.Load(Path.Combine(other, "model.zip"));
        var rows = Takt.ML.MlNet.MlNetSamples.Make(model, Takt.ML.MlNet.MlNetTrees.Of(model.Transformer), 500);
        var info = ModelPackage.Open(package).Info with { Algorithm = "onnx", Features = model.Signature.Inputs.Select(f => new Feature(f.Name, f.Type)).ToList() };
        var e = Assert.Throws<TaktException>(() => Takt.ML.Onnx.OnnxConversion.Write(fewer.ToOnnx(), info, rows, model, Folder()));
        Assert.Contains("does not answer like", e.Message);
        // the rows go both ways at nearly all splits: of 20 trees few leaves stay untouched
        Assert.True(model.Predict(rows).Columns[0].Numbers.ToArray().Distinct().Count() > 300);
    }

    string Save(IEstimator<ITransformer> pipeline)
    {
        var folder = Folder();
        var data = _ml.Data.LoadFromEnumerable(Flights());
        _ml.Model.Save(pipeline.Fit(data), data.Schema, Path.Combine(folder, "model.zip"));
        File.WriteAllText(Path.Combine(folder, "MLmodel"), "flavors: { mlnet: { data: model.zip } }\nmetadata: { task: binary, target: Late }\n");
        return folder;
    }

    string Folder() => Directory.CreateDirectory(Path.Combine(_folder, Path.GetRandomFileName())).FullName;
}
