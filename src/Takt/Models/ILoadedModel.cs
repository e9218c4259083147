using Takt.Data;

namespace Takt.Models;

/// <summary>A model in memory that answers. Safe for concurrent use; disposed once nobody uses it any more.</summary>
public interface ILoadedModel : IDisposable
{
    Signature Signature { get; }

    /// <summary>The short way for rows of numbers and categories; null when the model has none.</summary>
    RowScorer? Rows => null;

    /// <summary>One row of output per row of input, columns as the signature's outputs.</summary>
    /// <param name="inputs">Has at least the signature's input columns, in any order.</param>
    /// <exception cref="TaktException">Invalid: a column is missing or of a type that can't be read as the signature's.</exception>
    Table Predict(Table inputs);

    /// <summary>
    /// Exact Shapley values of a tree ensemble (TreeSHAP: Lundberg et al., Nature Machine Intelligence 2020): a column <c>contribution.INPUT</c> per input of the
    /// signature and <c>contribution.bias</c>, the mean over the training data. They add up to the model's raw score: log odds for a binary task, the prediction itself
    /// for a regression. Null: this runtime can't say.
    /// </summary>
    /// <exception cref="TaktException">As <see cref="Predict"/>.</exception>
    Table? Explain(Table inputs) => null;
}
