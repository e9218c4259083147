using Takt.Data;
using Takt.Deployments;
using Takt.Models;

namespace Takt.Tests.Deployments;

public sealed class TensorLogTests
{
    /// <summary>A tabular model of two features that is asked by tensors.</summary>
    sealed class Sums : ILoadedModel
    {
        public Signature Signature { get; } = new([new Field("a", FieldType.Float), new Field("b", FieldType.Float)], [new Field("sum", FieldType.Float)]);

        public TensorModel Tensors { get; } = new Model();

        public Table Predict(Table inputs) => throw new NotSupportedException();

        public void Dispose()
        {
        }

        sealed class Model() : TensorModel([new TensorField("X", TensorType.Fp32, [-1, 2])], [new TensorField("sum", TensorType.Fp32, [-1])])
        {
            public override IReadOnlyList<Tensor> Run(IReadOnlyList<Tensor> inputs, IReadOnlyCollection<string> outputs) => [new Tensor("sum", TensorType.Fp32, [inputs[0].Shape[0]], new byte[inputs[0].Shape[0] * 4])];
        }
    }

    static (Table Inputs, Table Outputs) Ask(int rows)
    {
        var slot = new Slot(new Revision("e", 1, "m@1", new DeploymentSpec("e", [1], TimeSpan.Zero, 0, [], null, true, null), DateTimeOffset.UnixEpoch), new Sums());
        var (inputs, outputs, _) = TensorLog.Ask(slot, [new Tensor("X", TensorType.Fp32, [rows, 2], new byte[rows * 8])], []);
        return (inputs, outputs);
    }

    [Fact]
    public void A_matrix_of_features_is_logged_under_their_names() => Assert.Equal("a b of 3", $"{string.Join(' ', Ask(3).Inputs.Columns.Select(c => c.Name))} of {Ask(3).Inputs.Rows}");

    [Fact]
    public void More_rows_than_are_logged_one_by_one_are_answered_and_logged_as_one_row_with_their_shape()
    {
        var (inputs, outputs) = Ask(100_001);
        Assert.Equal((1, 1), (inputs.Rows, outputs.Rows));
        Assert.Equal("[100001,2]", inputs["X.shape"].TextAt(0));
    }
}
