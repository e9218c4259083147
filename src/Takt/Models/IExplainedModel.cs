using Takt.Data;

namespace Takt.Models;

/// <summary>A model that can say what each input added to each answer.</summary>
public interface IExplainedModel : ILoadedModel
{
    /// <summary>
    /// Exact Shapley values of a tree ensemble (TreeSHAP: Lundberg et al., Nature Machine Intelligence 2020): a column <c>contribution.INPUT</c> per input of the
    /// signature and <c>contribution.bias</c>, the mean over the training data. They add up to the model's raw score: log odds for a binary task, the prediction itself
    /// for a regression.
    /// </summary>
    /// <exception cref="TaktException">As <see cref="ILoadedModel.Predict"/>.</exception>
    Table Explain(Table inputs);
}
