using Takt.Pipelines;

namespace Takt.Models;

/// <summary>A model that turns named tensors into named tensors. Safe for concurrent use.</summary>
public abstract class TensorModel(IReadOnlyList<TensorField> inputs, IReadOnlyList<TensorField> outputs)
{
    public IReadOnlyList<TensorField> Inputs { get; } = inputs;

    public IReadOnlyList<TensorField> Outputs { get; } = outputs;

    /// <param name="inputs">As <see cref="Require"/> wants them.</param>
    /// <param name="outputs">Those that are wanted; none: all.</param>
    /// <returns>In the order of <see cref="Outputs"/>, with bytes of their own.</returns>
    /// <exception cref="TaktException">Invalid: the model can't take these values or lengths together.</exception>
    public abstract IReadOnlyList<Tensor> Run(IReadOnlyList<Tensor> inputs, IReadOnlyCollection<string> outputs);

    /// <summary>As <see cref="Run"/>, where nobody's thread waits for it: for a model that takes several requests at once (<see cref="ILoadedModel.Inside"/>).</summary>
    /// <param name="cancel">Whoever asked has gone: what has not begun need not. The bytes of <paramref name="inputs"/> are in use until this has ended.</param>
    public virtual ValueTask<IReadOnlyList<Tensor>> Answer(IReadOnlyList<Tensor> inputs, IReadOnlyCollection<string> outputs, CancellationToken cancel) => new(Run(inputs, outputs));

    /// <exception cref="TaktException">Invalid, with every fault: a name, type, number of dimensions or fixed length that is not the model's.</exception>
    public void Require(IReadOnlyList<Tensor> inputs, IReadOnlyCollection<string> outputs)
    {
        var faults = Faults(inputs, outputs);
        if (faults.Count > 0) throw new TaktException(TaktError.Invalid, faults);
    }

    /// <inheritdoc cref="Require"/>
    public List<string> Faults(IReadOnlyList<Tensor> inputs, IReadOnlyCollection<string> outputs)
    {
        var faults = new List<string>();
        foreach (var field in Inputs)
        {
            var wanted = $"{Tensor.NameOf(field.Type)} {Tensor.ShapeText(field.Shape)}";
            Tensor? found = null;
            var times = 0;
            foreach (var input in inputs)
                if (input.Name == field.Name) (found, times) = (input, times + 1);
            if (found is null)
            {
                faults.Add($"input '{field.Name}' ({wanted}) is missing");
                continue;
            }
            if (times > 1) faults.Add($"input '{field.Name}' is given {times} times");
            if (found.Type != field.Type) faults.Add($"input '{field.Name}' has datatype {Tensor.NameOf(found.Type)}; the model takes {wanted}");
            if (field.Shape.Count > 0 && !Fits(found.Shape, field.Shape)) faults.Add($"input '{field.Name}' has shape {Tensor.ShapeText(found.Shape)}; the model takes {wanted}");
        }
        foreach (var input in inputs)
            if (!Inputs.Any(f => f.Name == input.Name)) faults.Add($"unknown input '{input.Name}'{Nearest.Hint(input.Name, Inputs.Select(f => f.Name).ToList())}");
        foreach (var output in outputs)
            if (!Outputs.Any(f => f.Name == output)) faults.Add($"the model has no output '{output}'; it has {string.Join(", ", Outputs.Select(f => f.Name))}");
        return faults;
    }

    static bool Fits(long[] shape, IReadOnlyList<long> wanted)
    {
        if (shape.Length != wanted.Count) return false;
        for (var d = 0; d < shape.Length; d++)
            if (wanted[d] >= 0 && shape[d] != wanted[d]) return false;
        return true;
    }
}
