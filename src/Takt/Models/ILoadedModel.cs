using Takt.Data;

namespace Takt.Models;

/// <summary>A model in memory that answers. Safe for concurrent use; disposed once nobody uses it any more.</summary>
public interface ILoadedModel : IDisposable
{
    /// <summary>Without inputs for a model that takes tensors only.</summary>
    Signature Signature { get; }

    /// <summary>The short way for rows of numbers and categories; null when the model has none.</summary>
    RowScorer? Rows => null;

    /// <summary>The model as tensors in and out; null when it takes rows only.</summary>
    TensorModel? Tensors => null;

    /// <summary>One row of output per row of input, columns as the signature's outputs.</summary>
    /// <param name="inputs">Has at least the signature's input columns, in any order.</param>
    /// <exception cref="TaktException">Invalid: a column is missing or of a type that can't be read as the signature's.</exception>
    Table Predict(Table inputs);

    /// <summary>As <see cref="Predict"/>, for a model elsewhere: nobody's thread waits for it.</summary>
    /// <exception cref="TaktException">As <see cref="Predict"/>. Unavailable: whoever computes is gone or too slow.</exception>
    ValueTask<Table> Answer(Table inputs, CancellationToken cancel) => new(Predict(inputs));

    /// <summary>Parameters that its signature allows beside the rows; null: none. They are checked for every model; of those that run here only Python's <see cref="Answer(Table, string?, CancellationToken)"/> does something with them.</summary>
    ModelParams? Params => null;

    /// <summary>As <see cref="Answer(Table, CancellationToken)"/>.</summary>
    /// <param name="parameters">As <see cref="ModelParams.Enforce"/> gives them; null: all have their defaults.</param>
    ValueTask<Table> Answer(Table inputs, string? parameters, CancellationToken cancel) => Answer(inputs, cancel);

    /// <summary>It has answered once already; a row of nothing might be none that it takes.</summary>
    bool IsWarm => false;

    /// <summary>How many requests may be inside at once, all by <see cref="Answer(Table, CancellationToken)"/>, which keeps no thread; 0: by the cores, each on a thread.</summary>
    int Inside => 0;

    /// <summary>Why it could not answer now; null: it could.</summary>
    string? Unready => null;

    /// <summary>As the Open Inference Protocol names what runs it.</summary>
    string Platform => "lightgbm_lightgbm";

    /// <summary>
    /// Exact Shapley values of a tree ensemble (TreeSHAP: Lundberg et al., Nature Machine Intelligence 2020): a column <c>contribution.INPUT</c> per input of the
    /// signature and <c>contribution.bias</c>, the mean over the training data. They add up to the model's raw score: log odds for a binary task, the prediction itself
    /// for a regression, the raw score of the class that it says for a multiclass task. Null: this runtime can't say.
    /// </summary>
    /// <exception cref="TaktException">As <see cref="Predict"/>.</exception>
    Table? Explain(Table inputs) => null;
}
