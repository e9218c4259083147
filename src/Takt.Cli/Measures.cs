using System.Text.Json.Nodes;

namespace Takt.Cli;

/// <summary>Which metrics a table of models or windows has columns for.</summary>
static class Measures
{
    /// <summary>Of a model that tells two classes apart, of one that tells several, and of one that predicts a number.</summary>
    static readonly (string Name, string Head)[] All =
        [("auc", "AUC"), ("accuracy", "ACCURACY"), ("macro_f1", "MACRO F1"), ("balanced_accuracy", "BALANCED ACCURACY"), ("log_loss", "LOG LOSS"), ("calibration_gap", "GAP"), ("rmse", "RMSE"), ("mae", "MAE")];

    /// <summary>Those that any row has.</summary>
    public static List<(string Name, string Head)> Of(IEnumerable<JsonObject?> rows)
    {
        var there = rows.ToList();
        return All.Where(m => there.Exists(row => row?[m.Name] is not null)).ToList();
    }
}
