using System.Buffers.Binary;
using Takt.Models;

namespace Takt.ML.Runtimes;

/// <summary>One request's tensors on their way through <see cref="TensorBatches"/>.</summary>
sealed class TensorCall(IReadOnlyList<Tensor> inputs, IReadOnlyCollection<string> outputs)
{
    const int Waiting = 0, Taken = 1, Gone = 2;

    readonly TaskCompletionSource<IReadOnlyList<Tensor>> _answer = new(TaskCreationOptions.RunContinuationsAsynchronously);
    int _state;

    public IReadOnlyList<Tensor> Inputs => inputs;

    public IReadOnlyCollection<string> Outputs => outputs;

    /// <summary>The common first dimension; 0: there is none, or no row: it is asked for itself.</summary>
    public long Rows { get; } = inputs.Count > 0 && inputs.All(t => t.Shape is [var first, ..] && first == inputs[0].Shape[0]) ? inputs[0].Shape[0] : 0;

    public Task<IReadOnlyList<Tensor>> Answer => _answer.Task;

    public bool TryTake() => Interlocked.CompareExchange(ref _state, Taken, Waiting) == Waiting;

    /// <summary>Whoever asked has gone. One that is taken is finished first: its bytes are the request's.</summary>
    public void Cancel(CancellationToken cancel)
    {
        if (Interlocked.CompareExchange(ref _state, Gone, Waiting) == Waiting) _answer.TrySetCanceled(cancel);
    }

    public void Done(IReadOnlyList<Tensor> answer) => _answer.TrySetResult(answer);

    public void Fail(Exception why) => _answer.TrySetException(why);

    /// <summary>Whether both differ in their first dimension and their values only.</summary>
    public bool IsLike(TensorCall other)
    {
        if (Rows == 0 || other.Rows == 0 || inputs.Count != other.Inputs.Count || !outputs.SequenceEqual(other.Outputs)) return false;
        foreach (var input in inputs)
        {
            var same = false;
            foreach (var theirs in other.Inputs) same |= theirs.Name == input.Name && theirs.Type == input.Type && theirs.Shape.AsSpan(1).SequenceEqual(input.Shape.AsSpan(1));
            if (!same) return false;
        }
        return true;
    }

    /// <summary>The rows of all, one call's after the other's.</summary>
    public static List<Tensor> Merge(List<TensorCall> calls, long rows)
    {
        var merged = new List<Tensor>(calls[0].Inputs.Count);
        foreach (var first in calls[0].Inputs)
        {
            var parts = calls.ConvertAll(c => c.Inputs.First(t => t.Name == first.Name).Data);
            var data = new byte[parts.Sum(p => p.Length)];
            var at = 0;
            foreach (var part in parts)
            {
                part.Span.CopyTo(data.AsSpan(at));
                at += part.Length;
            }
            merged.Add(new Tensor(first.Name, first.Type, [rows, .. first.Shape[1..]], data));
        }
        return merged;
    }

    /// <summary>Each call's rows of an output, in the place <paramref name="at"/> of its parts.</summary>
    public static void Split(Tensor given, List<TensorCall> calls, List<Tensor[]> parts, int at)
    {
        var (data, values) = (given.Data, Tensor.CountOf(given.Shape.AsSpan(1)));
        for (var i = 0; i < calls.Count; i++)
        {
            var length = Tensor.SizeOf(given.Type) is > 0 and var size ? checked((int)(calls[i].Rows * values * size)) : Texts(data.Span, calls[i].Rows * values);
            parts[i][at] = new Tensor(given.Name, given.Type, [calls[i].Rows, .. given.Shape[1..]], data[..length]);
            data = data[length..];
        }
    }

    /// <summary>Bytes of so many texts.</summary>
    static int Texts(ReadOnlySpan<byte> data, long count)
    {
        var at = 0;
        for (; count > 0; count--) at += 4 + BinaryPrimitives.ReadInt32LittleEndian(data[at..]);
        return at;
    }
}
