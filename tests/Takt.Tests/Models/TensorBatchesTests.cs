using System.Runtime.InteropServices;
using System.Text;
using Takt.ML.Runtimes;
using Takt.Models;

namespace Takt.Tests.Models;

public sealed class TensorBatchesTests
{
    static readonly int Threads = Math.Max(1, Environment.ProcessorCount);

    /// <summary>Doubles its numbers and repeats its texts, once it is let.</summary>
    sealed class Twice() : TensorModel([new("x", TensorType.Fp32, [-1, -1]), new("t", TensorType.Bytes, [-1, 1])], [new("y", TensorType.Fp32, []), new("same", TensorType.Bytes, [-1, 1])])
    {
        readonly ManualResetEventSlim _open = new();
        int _begun;

        public int Begun => Volatile.Read(ref _begun);

        /// <summary>Its answer says nothing of rows.</summary>
        public bool Sums { get; init; }

        public void Open() => _open.Set();

        public override IReadOnlyList<Tensor> Run(IReadOnlyList<Tensor> inputs, IReadOnlyCollection<string> outputs)
        {
            Interlocked.Increment(ref _begun);
            _open.Wait();
            var x = inputs.First(t => t.Name == "x");
            var values = MemoryMarshal.Cast<byte, float>(x.Data.Span).ToArray();
            if (values.Any(float.IsNaN)) throw TaktException.Invalid("a value is missing");
            if (Sums) return [new Tensor("y", TensorType.Fp32, [1], Bytes(values.Sum()))];
            return [new Tensor("y", TensorType.Fp32, x.Shape, Bytes([.. values.Select(v => v * 2)])), new Tensor("same", TensorType.Bytes, inputs.First(t => t.Name == "t").Shape, inputs.First(t => t.Name == "t").Data.ToArray())];
        }
    }

    static byte[] Bytes(params float[] values) => MemoryMarshal.AsBytes<float>(values).ToArray();

    static List<Tensor> Request(int rows, int width, float first)
    {
        var texts = Enumerable.Range(0, rows).SelectMany(r => Encoding.UTF8.GetBytes($"{first}:{r}") is var text ? (byte[])[.. BitConverter.GetBytes(text.Length), .. text] : []).ToArray();
        return [new("x", TensorType.Fp32, [rows, width], Bytes([.. Enumerable.Range(0, rows * width).Select(i => first + i)])), new("t", TensorType.Bytes, [rows, 1], texts)];
    }

    static void Fits(List<Tensor> asked, IReadOnlyList<Tensor> given)
    {
        Assert.Equal(["y", "same"], given.Select(t => t.Name));
        Assert.Equal(asked[0].Shape, given[0].Shape);
        Assert.Equal(MemoryMarshal.Cast<byte, float>(asked[0].Data.Span).ToArray().Select(v => v * 2), MemoryMarshal.Cast<byte, float>(given[0].Data.Span).ToArray());
        Assert.Equal(asked[1].Shape, given[1].Shape);
        Assert.Equal(asked[1].Data.ToArray(), given[1].Data.ToArray());
    }

    /// <summary>All threads are busy with requests of one row each.</summary>
    static async Task<List<Task>> Busy(TensorBatches batches, Twice model)
    {
        var busy = new List<Task>();
        for (var i = 0; i < Threads; i++)
        {
            busy.Add(batches.Ask(Request(1, 2, i), [], default).AsTask());
            while (model.Begun <= i) await Task.Delay(1);
        }
        return busy;
    }

    [Fact]
    public async Task Requests_that_wait_are_merged_into_one_run_and_each_gets_its_own_rows()
    {
        var model = new Twice();
        using var batches = new TensorBatches(model, 64, TimeSpan.Zero, () => { });
        var busy = await Busy(batches, model);
        var asked = Enumerable.Range(1, 10).Select(n => Request(n % 3 + 1, 2, n * 100)).ToList();
        var answers = asked.ConvertAll(a => batches.Ask(a, [], default).AsTask());
        model.Open();
        for (var i = 0; i < asked.Count; i++) Fits(asked[i], await answers[i]);
        await Task.WhenAll(busy);
        Assert.Equal(Threads + 1, batches.Runs);
    }

    [Fact]
    public async Task A_run_has_no_more_rows_than_it_may_and_only_requests_of_one_shape_and_the_same_outputs()
    {
        var model = new Twice();
        using var batches = new TensorBatches(model, 4, TimeSpan.Zero, () => { });
        var busy = await Busy(batches, model);
        List<List<Tensor>> asked = [Request(2, 2, 1), Request(2, 3, 10), Request(2, 2, 20), Request(2, 2, 30), Request(9, 2, 40), Request(2, 3, 60)];
        var answers = asked.ConvertAll(a => batches.Ask(a, [], default).AsTask());
        var other = batches.Ask(asked[0], ["y"], default).AsTask();
        model.Open();
        for (var i = 0; i < asked.Count; i++) Fits(asked[i], await answers[i]);
        await other;
        await Task.WhenAll(busy);
        Assert.Equal(Threads + 5, batches.Runs); // 1 with 20, 10 with 60, 30, 40, and the one of other outputs
    }

    [Fact]
    public async Task A_request_that_the_model_refuses_fails_alone()
    {
        var model = new Twice();
        using var batches = new TensorBatches(model, 64, TimeSpan.Zero, () => { });
        var busy = await Busy(batches, model);
        List<List<Tensor>> asked = [Request(1, 2, 1), Request(1, 2, float.NaN), Request(1, 2, 3)];
        var answers = asked.ConvertAll(a => batches.Ask(a, [], default).AsTask());
        model.Open();
        Fits(asked[0], await answers[0]);
        Assert.Equal("a value is missing", (await Assert.ThrowsAsync<TaktException>(() => answers[1])).Message);
        Fits(asked[2], await answers[2]);
        await Task.WhenAll(busy);
    }

    [Fact]
    public async Task A_model_whose_answer_does_not_follow_the_rows_is_asked_one_by_one()
    {
        var model = new Twice { Sums = true };
        using var batches = new TensorBatches(model, 64, TimeSpan.Zero, () => { });
        var busy = await Busy(batches, model);
        var answers = Enumerable.Range(1, 3).Select(n => batches.Ask(Request(1, 2, n), [], default).AsTask()).ToList();
        model.Open();
        for (var n = 1; n <= 3; n++) Assert.Equal(Bytes(2 * n + 1), (await answers[n - 1])[0].Data.ToArray());
        await Task.WhenAll(busy);
        Assert.Equal(Threads + 4, batches.Runs); // once together, which is not tried again
        await Task.WhenAll(Enumerable.Range(1, 3).Select(n => batches.Ask(Request(1, 2, n), [], default).AsTask()));
        Assert.Equal(Threads + 7, batches.Runs);
    }

    [Fact]
    public async Task Whoever_goes_away_while_it_waits_is_not_computed_and_the_last_thread_tells_when_it_ends()
    {
        var (model, ended) = (new Twice(), new TaskCompletionSource());
        var batches = new TensorBatches(model, 64, TimeSpan.Zero, ended.SetResult);
        var busy = await Busy(batches, model);
        using var gone = new CancellationTokenSource();
        var waiting = batches.Ask(Request(1, 2, 1), [], gone.Token).AsTask();
        await gone.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting);
        var unlucky = batches.Ask(Request(1, 2, 1), [], default).AsTask();
        batches.Dispose();
        Assert.Equal(TaktError.Unavailable, (await Assert.ThrowsAsync<TaktException>(() => unlucky)).Error);
        Assert.False(ended.Task.IsCompleted); // the model is still in use
        model.Open();
        await Task.WhenAll(busy);
        await ended.Task;
        Assert.Equal(Threads, batches.Runs);
    }
}
