namespace Takt.Cli.Demo;

/// <summary>What happened in one week, as the table at the end tells it.</summary>
sealed record StoryWeek(int Week, long Flights, string Model, double? Late, double? Predicted, double? Auc, double? LogLoss, string Drift, string Action);
