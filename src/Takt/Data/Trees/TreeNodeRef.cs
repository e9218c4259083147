using Takt.Storage.Packs;

namespace Takt.Data.Trees;

/// <summary>A node as its parent names it.</summary>
/// <param name="Last">The last path below it, UTF-8.</param>
/// <param name="Files">How many below it.</param>
/// <param name="Bytes">Of all of them.</param>
readonly record struct TreeNodeRef(byte[] Last, long Files, long Bytes, ContentId Id);
