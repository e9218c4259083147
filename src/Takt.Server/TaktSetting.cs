namespace Takt.Server;

/// <param name="Value">Null: the default, in the project's own <c>.takt/</c>.</param>
/// <param name="Source">Where the value was found, for people: <c>--database</c>, <c>TAKT__DATABASE</c>, <c>takt.config</c>, <c>default</c>.</param>
public sealed record TaktSetting(string Name, string? Value, string Source);
