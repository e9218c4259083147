namespace Takt.Data;

/// <summary>What a path of a dataset is. On disk: values may be added, never changed.</summary>
public enum TreeFileMode : byte
{
    File = 0,
    Executable = 1,

    /// <summary>A symbolic link; its content is where it points to.</summary>
    Link = 2,
}
