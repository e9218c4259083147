namespace Takt.Runs;

/// <summary>MLflow's words, in the order of its protocol.</summary>
public enum RunStatus { RUNNING, SCHEDULED, FINISHED, FAILED, KILLED }
