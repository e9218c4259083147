namespace Takt.Storage;

/// <summary>What stands under a name in a folder.</summary>
public enum FileKind { File, Folder, Link, Other }
