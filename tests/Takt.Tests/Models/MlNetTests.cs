using Microsoft.ML;
using Microsoft.ML.Data;
using Takt.Data;
using Takt.ML.Runtimes;
using Takt.Models;

namespace Takt.Tests.Models;

public sealed class MlNetTests : IDisposable
{
    readonly string _folder = Directory.CreateTempSubdirectory("takt-mlnet").FullName;
    readonly MLContext _ml = new(seed: 1);

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    sealed class Trip
    {
        public float Distance { get; set; }
        public int Hour { get; set; }
        public string Carrier { get; set; } = "";
        public bool Weekend { get; set; }
        public bool Late { get; set; }
    }

    sealed class LateAnswer
    {
        public float Probability { get; set; }
        public float Score { get; set; }
        public bool PredictedLabel { get; set; }
    }

    sealed class Flower
    {
        [VectorType(3)]
        public float[] Features { get; set; } = [];
        public string Kind { get; set; } = "";
    }

    sealed class KindAnswer
    {
        public float[] Score { get; set; } = [];
        public string PredictedLabel { get; set; } = "";
    }

    static List<Trip> Trips()
    {
        var random = new Random(1);
        return Enumerable.Range(0, 500).Select(i =>
        {
            var trip = new Trip { Distance = (float)random.NextDouble() * 2000, Hour = random.Next(24), Carrier = "ABC"[random.Next(3)].ToString(), Weekend = random.Next(2) == 0 };
            trip.Late = (trip.Hour / 24.0) + (trip.Carrier == "A" ? 0.4 : 0) + (random.NextDouble() * 0.3) > 0.8;
            return trip;
        }).ToList();
    }

    ILoadedModel Load(ITransformer trained, DataViewSchema schema)
    {
        _ml.Model.Save(trained, schema, Path.Combine(_folder, "model.zip"));
        File.WriteAllText(Path.Combine(_folder, "MLmodel"), "flavors: { mlnet: { data: model.zip } }\nmetadata: { task: binary, target: Late }\n");
        return new MlNetRuntime().Load(_folder);
    }

    [Fact]
    public void A_boosted_trees_pipeline_answers_as_in_ML_NET_and_asks_for_no_label()
    {
        var trips = Trips();
        var data = _ml.Data.LoadFromEnumerable(trips);
        var trained = _ml.Transforms.Categorical.OneHotEncoding("Carrier").Append(_ml.Transforms.Conversion.ConvertType("HourNumber", "Hour")).Append(_ml.Transforms.Conversion.ConvertType("WeekendNumber", "Weekend"))
            .Append(_ml.Transforms.Concatenate("Features", "Distance", "HourNumber", "WeekendNumber", "Carrier"))
            .Append(_ml.BinaryClassification.Trainers.FastTree("Late", numberOfTrees: 20)).Fit(data);
        using var model = Load(trained, data.Schema);
        Assert.Equal(["Distance:Float", "Hour:Integer", "Carrier:String", "Weekend:Boolean"], model.Signature.Inputs.Select(f => $"{f.Name}:{f.Type}"));
        Assert.Equal(["Probability:Float", "Score:Float", "PredictedLabel:Boolean"], model.Signature.Outputs.Select(f => $"{f.Name}:{f.Type}"));
        var answer = model.Predict(new Table([
            Column.Of("Weekend", trips.Select(t => t.Weekend).ToArray()), Column.Of("Distance", trips.Select(t => (double)t.Distance).ToArray()),
            Column.Of("Hour", trips.Select(t => (long)t.Hour).ToArray()), Column.Of("Carrier", trips.Select(t => (string?)t.Carrier).ToArray())]));
        using var engine = _ml.Model.CreatePredictionEngine<Trip, LateAnswer>(trained);
        for (var i = 0; i < trips.Count; i++)
        {
            var expected = engine.Predict(trips[i]);
            Assert.Equal((expected.Probability, expected.Score, expected.PredictedLabel), ((float)answer["Probability"].Numbers[i], (float)answer["Score"].Numbers[i], answer["PredictedLabel"].Booleans[i]));
        }
        Assert.Equal(("binary", "Probability"), (ModelPackage.Open(_folder).Info.Task, ModelPackage.Open(_folder).Info.Output));
        var fault = Assert.Throws<TaktException>(() => model.Predict(new Table([
            Column.Of("Distance", [1.0]), Column.Of("Hour", [0L], [true]), Column.Of("Weekend", ["no"])])));
        Assert.Equal(["input 'Hour', row 0: a value is missing, which integer inputs of ML.NET can't have", "input 'Carrier' (string) is missing", "input 'Weekend' must be boolean, not text"], fault.Faults);
    }

    [Fact]
    public async Task Classes_of_a_vector_of_features_come_as_numbers_and_as_their_names()
    {
        var random = new Random(2);
        var flowers = Enumerable.Range(0, 300).Select(i => new Flower { Kind = "uvw"[i % 3].ToString(), Features = [(i % 3) + (float)random.NextDouble(), (float)random.NextDouble(), (i % 3) - (float)random.NextDouble()] }).ToList();
        var data = _ml.Data.LoadFromEnumerable(flowers);
        var trained = _ml.Transforms.Conversion.MapValueToKey("Label", "Kind").Append(_ml.MulticlassClassification.Trainers.SdcaMaximumEntropy(maximumNumberOfIterations: 20))
            .Append(_ml.Transforms.Conversion.MapKeyToValue("PredictedLabel")).Fit(data);
        using var model = Load(trained, data.Schema);
        Assert.Equal(["Features.0", "Features.1", "Features.2"], model.Signature.Inputs.Select(f => f.Name));
        Assert.Equal(["Score.0", "Score.1", "Score.2", "PredictedLabel"], model.Signature.Outputs.Select(f => f.Name));
        var table = new Table([.. Enumerable.Range(0, 3).Select(f => Column.Of($"Features.{f}", flowers.Select(w => (double)w.Features[f]).ToArray()))]);
        using var engine = _ml.Model.CreatePredictionEngine<Flower, KindAnswer>(trained);
        var expected = flowers.Select(f =>
        {
            var answer = engine.Predict(f);
            return (answer.Score[0], answer.Score[2], answer.PredictedLabel);
        }).ToList();
        // by several at once
        var answers = await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => Task.Run(() => model.Predict(table))));
        foreach (var answer in answers)
            for (var i = 0; i < flowers.Count; i++) Assert.Equal(expected[i], ((float)answer["Score.0"].Numbers[i], (float)answer["Score.2"].Numbers[i], answer["PredictedLabel"].Texts[i]!));
    }

    [Fact]
    public void A_zip_that_is_damaged_or_absent_is_named()
    {
        File.WriteAllText(Path.Combine(_folder, "MLmodel"), "flavors: { mlnet: { data: model.zip } }\n");
        Assert.Equal(TaktError.NotFound, Assert.Throws<TaktException>(() => new MlNetRuntime().Load(_folder)).Error);
        File.WriteAllText(Path.Combine(_folder, "model.zip"), "no zip at all");
        var fault = Assert.Throws<TaktException>(() => new MlNetRuntime().Load(_folder));
        Assert.Equal(TaktError.Invalid, fault.Error);
        Assert.Contains("model.zip can't be loaded by ML.NET", fault.Message);
        File.WriteAllText(Path.Combine(_folder, "MLmodel"), "flavors: { mlnet: { data: ../model.zip } }\n");
        Assert.Contains("leads out of the model", Assert.Throws<TaktException>(() => new MlNetRuntime().Load(_folder)).Message);
    }
}
