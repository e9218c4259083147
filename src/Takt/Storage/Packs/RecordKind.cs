namespace Takt.Storage.Packs;

/// <summary>What a record of a pack holds. On disk: values may be added, never changed.</summary>
public enum RecordKind : byte
{
    /// <summary>The content itself.</summary>
    Bytes = 0,

    /// <summary>A file larger than a chunk: the ids and lengths of its chunks; the record's id is the SHA-256 of the whole file.</summary>
    ChunkList = 1,
}
