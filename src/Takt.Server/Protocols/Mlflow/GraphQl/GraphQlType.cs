namespace Takt.Server.Protocols.Mlflow.GraphQl;

/// <summary>A type as it is written where it is used: <c>[String!]!</c></summary>
/// <param name="Item">Of a list.</param>
sealed record GraphQlType(string Name, bool Required, GraphQlType? Item = null)
{
    public override string ToString() => (Item is null ? Name : $"[{Item}]") + (Required ? "!" : "");
}
